"""Hugging Face datasets: a batched `map` with `num_proc`, which leaves arrow files."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa

from side_by_side.work import Work, view_key

BATCH_IMAGES = 32
FEATURES = datasets.Features(
    {
        "key": datasets.Value("string"),
        "image": datasets.Image(),
        "label": datasets.Value("int64"),
    }
)


def expand(work: Work) -> None:
    """Paths and labels in, an arrow file per process out."""
    mapped(work)


def mapped(work: Work) -> datasets.Dataset:
    """The dataset of views, stored in `work.output`."""
    datasets.disable_progress_bars()
    paths, labels = zip(*work.images(), strict=True)
    references = datasets.Dataset.from_dict({"path": list(paths), "label": list(labels)})
    return references.map(
        partial(_views_of, work),
        batched=True,
        batch_size=BATCH_IMAGES,
        num_proc=work.workers,
        remove_columns=["path", "label"],
        features=FEATURES,
        cache_file_name=f"{work.output}/views.arrow",
    )


def views(output: Path) -> Iterator[bytes]:
    """The stored views."""
    for path in sorted(output.glob("*.arrow")):
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as batches:
            for batch in batches:
                for image in batch.column("image"):
                    yield image["bytes"].as_py()


def _views_of(work: Work, batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
    from side_by_side.loop import encoded_views

    rows: dict[str, list[Any]] = {"key": [], "image": [], "label": []}
    for path, label in zip(batch["path"], batch["label"], strict=True):
        for copy, data in enumerate(encoded_views(path, work)):
            rows["key"].append(view_key(path, copy))
            rows["image"].append({"bytes": data, "path": None})
            rows["label"].append(label)
    return rows
