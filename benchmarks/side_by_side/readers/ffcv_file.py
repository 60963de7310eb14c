"""FFCV: one file, read by compiled code on threads. Its first batch includes the compilation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ffcv.fields import IntField, RGBImageField
from ffcv.fields.decoders import IntDecoder, SimpleRGBImageDecoder
from ffcv.loader import Loader, OrderOption
from ffcv.transforms import Squeeze, ToTensor
from ffcv.writer import DatasetWriter

from side_by_side.reading.batch import Batch, Epochs
from side_by_side.reading.views import stored_views
from side_by_side.reading.work import ReadWork
from side_by_side.work import QUALITY

NAMES = {"jpg": "ffcv-jpeg", "raw": "ffcv-raw"}
FILE = "views.beton"


class Indexed:
    """What its writer wants: (image, label) by number."""

    def __init__(self, work: ReadWork) -> None:
        self._views = list(stored_views(work, "npy"))

    def __len__(self) -> int:
        return len(self._views)

    def __getitem__(self, number: int) -> tuple[Any, int]:
        view = self._views[number]
        return view.array(), view.label


def convert(work: ReadWork, variant: str, output: Path) -> None:
    """Encoded by FFCV from the pixels (`jpg`), or stored as they are (`raw`)."""
    output.mkdir(parents=True)
    fields = {
        "image": RGBImageField(write_mode=variant, jpeg_quality=QUALITY),
        "label": IntField(),
    }
    writer = DatasetWriter(str(output / FILE), fields, num_workers=work.workers)
    writer.from_indexed_dataset(Indexed(work))


@contextmanager
def open_reader(work: ReadWork, variant: str) -> Iterator[Epochs]:
    """In random order, from the page cache."""
    loader = Loader(
        str(work.converted(NAMES[variant]) / FILE),
        batch_size=work.batch,
        num_workers=work.workers,
        os_cache=True,
        order=OrderOption.RANDOM,
        seed=work.seed,
        drop_last=False,
        pipelines={
            "image": [SimpleRGBImageDecoder(), ToTensor()],
            "label": [IntDecoder(), ToTensor(), Squeeze()],
        },
    )

    def batches(epoch: int) -> Iterator[Batch]:
        for images, labels in loader:
            yield Batch(images, labels)

    yield batches
