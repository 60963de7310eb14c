"""NVIDIA DALI's webdataset reader and decoder on CPU threads, into torch tensors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from nvidia.dali import fn, pipeline_def, types
from nvidia.dali.plugin.base_iterator import LastBatchPolicy
from nvidia.dali.plugin.pytorch import DALIGenericIterator
from wds2idx import IndexCreator

from side_by_side.reading.batch import Batch, Epochs
from side_by_side.reading.work import ReadWork

NAMES = {"hwc": "dali", "chw": "dali-chw"}
SHUFFLE_SAMPLES = 1000
ZERO = ord("0")


def convert(work: ReadWork, variant: str, output: Path) -> None:
    """The shards as they are, and an index of each by DALI's own tool."""
    output.mkdir(parents=True)
    for path in map(Path, work.shards("jpeg")):
        shard = output / path.name
        os.link(path, shard)
        with IndexCreator(str(shard), str(shard.with_suffix(".idx")), verbose=False) as creator:
            creator.create_index()


@contextmanager
def open_reader(work: ReadWork, variant: str) -> Iterator[Epochs]:
    """Images as they are decoded (`hwc`), or transposed by DALI (`chw`)."""
    pipeline = _pipeline(
        shards=sorted(work.converted(NAMES[variant]).glob("*.tar")),
        transposed=variant == "chw",
        batch_size=work.batch,
        num_threads=work.workers,
        device_id=None,
        seed=work.seed,
    )
    loader = DALIGenericIterator(
        pipeline,
        ["images", "labels"],
        reader_name="reader",
        last_batch_policy=LastBatchPolicy.PARTIAL,
        auto_reset=True,
    )

    def batches(epoch: int) -> Iterator[Batch]:
        for (batch,) in loader:
            yield Batch(batch["images"], _numbers(batch["labels"].numpy()))

    yield batches


@pipeline_def  # type: ignore[untyped-decorator]
def _pipeline(shards: list[Path], transposed: bool) -> tuple[Any, Any]:
    encoded, digits = fn.readers.webdataset(
        paths=[str(path) for path in shards],
        index_paths=[str(path.with_suffix(".idx")) for path in shards],
        ext=["jpg", "cls"],
        missing_component_behavior="error",
        random_shuffle=True,
        initial_fill=SHUFFLE_SAMPLES,
        pad_last_batch=True,  # else the next epoch starts with what does not fill a batch
        name="reader",
    )
    images = fn.decoders.image(encoded, device="cpu", output_type=types.RGB)
    if transposed:
        images = fn.transpose(images, perm=[2, 0, 1])
    return images, fn.pad(digits)


def _numbers(digits: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Labels from their ASCII digits, (B, digits) with zeros behind the shorter ones."""
    labels = np.zeros(len(digits), np.int64)
    for column in digits.T:
        labels = np.where(column == 0, labels, labels * 10 + column - ZERO)
    return labels
