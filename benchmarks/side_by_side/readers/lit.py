"""litdata: chunks of JPEG images, decoded by torchvision."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from litdata import StreamingDataLoader, StreamingDataset, optimize
from PIL import Image

from side_by_side.readers.torch_loading import loader_options
from side_by_side.reading.batch import Batch, Epochs
from side_by_side.reading.views import write_files
from side_by_side.reading.work import ReadWork

CHUNK_BYTES = "64MB"


def convert(work: ReadWork, variant: str, output: Path) -> None:
    """Images that Pillow opened from files are stored as the files' bytes."""
    os.environ["DATA_OPTIMIZER_CACHE_FOLDER"] = f"{output}.cache"
    optimize(
        fn=_row,
        inputs=write_files(work, Path(f"{output}.files")),
        output_dir=str(output),
        num_workers=work.workers,
        chunk_bytes=CHUNK_BYTES,
    )


@contextmanager
def open_reader(work: ReadWork, variant: str) -> Iterator[Epochs]:
    """Shuffled by the dataset."""
    dataset = StreamingDataset(str(work.converted("litdata")), shuffle=True, seed=work.seed)
    loader = StreamingDataLoader(dataset, batch_size=work.batch, **loader_options(work))

    def batches(epoch: int) -> Iterator[Batch]:
        for batch in loader:
            yield Batch(batch["image"], batch["label"])

    yield batches


def _row(image: tuple[str, int]) -> dict[str, Any]:
    path, label = image
    return {"image": Image.open(path), "label": label}
