"""augcli by its public interface: the sources that `augcli train` trains from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from augcli.train import TrainConfig, open_sources
from side_by_side.reading.batch import Batch, Epochs
from side_by_side.reading.work import ReadWork

ENDLESS_EPOCHS = 10**6


@contextmanager
def open_reader(work: ReadWork, variant: str) -> Iterator[Epochs]:
    """`jpeg` or `npy` shards or made on the `fly`; with `-memory`, decoded images are kept."""
    config = TrainConfig(
        batch_size=work.batch,
        workers=work.workers,
        seed=work.seed,
        epochs=ENDLESS_EPOCHS,
        **_source(work, variant.removesuffix("-memory")),
        **_memory(work, keeps=variant.endswith("-memory")),
    )
    sources = open_sources(config, "cpu").sources
    try:
        yield partial(_batches, sources.train)
    finally:
        sources.close()


def _source(work: ReadWork, variant: str) -> dict[str, Any]:
    if variant == "fly":  # by the manifest: the first epoch draws what was expanded
        shards = work.dataset("jpeg")
        return {"source": "on-the-fly", "shards": shards, "data": str(work.data)}
    return {"source": "shards", "shards": work.dataset(variant)}


def _memory(work: ReadWork, *, keeps: bool) -> dict[str, Any]:
    """Enough, or none, whatever the default is on this machine."""
    if "memory" not in {field.name for field in fields(TrainConfig)}:
        return {}
    samples: Path = work.dataset("jpeg") / "samples.parquet"
    needed = 8 * pq.read_metadata(samples).num_rows * work.size**2  # twice four bytes a pixel
    return {"memory": str(needed) if keeps else "0"}


def _batches(source: Any, epoch: int) -> Iterator[Batch]:
    for batch in source.batches(epoch):
        yield Batch(batch.images, batch.labels, batch.keys)
