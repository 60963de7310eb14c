"""webdataset with its own image decoder, which is Pillow."""

from __future__ import annotations

from contextlib import AbstractContextManager

from side_by_side.readers.webdataset_loader import open_webdataset
from side_by_side.reading.batch import Epochs
from side_by_side.reading.work import ReadWork


def open_reader(work: ReadWork, variant: str) -> AbstractContextManager[Epochs]:
    """`decode("rgb8")`, as its documentation has it."""
    return open_webdataset(work, "rgb8")
