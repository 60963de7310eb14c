"""mosaicml-streaming: MDS shards of JPEG images, decoded by Pillow as its `jpeg` column does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from streaming import MDSWriter, StreamingDataset
from streaming.base.util import clean_stale_shared_memory
from torch.utils.data import DataLoader

from side_by_side.readers.torch_loading import loader_options
from side_by_side.reading.batch import Batch, Epochs
from side_by_side.reading.views import write_files
from side_by_side.reading.work import ReadWork

COLUMNS = {"image": "jpeg", "label": "int"}


class Views(StreamingDataset):  # type: ignore[misc]
    """Pixels instead of Pillow's images."""

    def __getitem__(self, at: Any) -> Any:
        row = super().__getitem__(at)
        return torch.from_numpy(np.array(row["image"])), row["label"]


def convert(work: ReadWork, variant: str, output: Path) -> None:
    """Images that Pillow opened from files are stored as the files' bytes."""
    with MDSWriter(columns=COLUMNS, out=str(output)) as sink:
        for path, label in write_files(work, Path(f"{output}.files")):
            with Image.open(path) as image:
                sink.write({"image": image, "label": label})


@contextmanager
def open_reader(work: ReadWork, variant: str) -> Iterator[Epochs]:
    """Shuffled by the dataset."""
    clean_stale_shared_memory()
    local = str(work.converted("mosaicml"))
    dataset = Views(local=local, shuffle=True, shuffle_seed=work.seed, batch_size=work.batch)
    loader = DataLoader(dataset, batch_size=work.batch, **loader_options(work))

    def batches(epoch: int) -> Iterator[Batch]:
        for images, labels in loader:
            yield Batch(images, labels)

    yield batches
