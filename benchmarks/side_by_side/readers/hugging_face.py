"""Hugging Face datasets: an arrow file of JPEG images, decoded to torch tensors when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import datasets
from torch.utils.data import DataLoader

from side_by_side.readers.torch_loading import loader_options
from side_by_side.reading.batch import Batch, Epochs
from side_by_side.reading.views import stored_views
from side_by_side.reading.work import ReadWork

FEATURES = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})


def convert(work: ReadWork, variant: str, output: Path) -> None:
    """The same JPEG bytes as the shards have."""
    datasets.disable_progress_bars()
    cache = f"{output}.cache"
    rows = datasets.Dataset.from_generator(
        _rows, features=FEATURES, cache_dir=cache, gen_kwargs={"work": work}
    )
    rows.save_to_disk(str(output))


@contextmanager
def open_reader(work: ReadWork, variant: str) -> Iterator[Epochs]:
    """Shuffled by the loader."""
    dataset = datasets.load_from_disk(str(work.converted("datasets"))).with_format("torch")
    loader = DataLoader(dataset, batch_size=work.batch, shuffle=True, **loader_options(work))

    def batches(epoch: int) -> Iterator[Batch]:
        for batch in loader:
            yield Batch(batch["image"], batch["label"])

    yield batches


def _rows(work: ReadWork) -> Iterator[dict[str, Any]]:
    for view in stored_views(work, "jpeg"):
        yield {"image": {"bytes": view.data(), "path": None}, "label": view.label}
