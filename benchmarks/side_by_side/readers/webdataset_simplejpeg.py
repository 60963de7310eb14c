"""webdataset with simplejpeg, augcli's decoder."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import simplejpeg

from side_by_side.readers.webdataset_loader import for_jpeg, open_webdataset
from side_by_side.reading.batch import Epochs
from side_by_side.reading.work import ReadWork


def open_reader(work: ReadWork, variant: str) -> AbstractContextManager[Epochs]:
    """A decoder of one's own, as its documentation has it."""
    return open_webdataset(work, for_jpeg(_decode))


def _decode(data: bytes) -> Any:
    return simplejpeg.decode_jpeg(data, "RGB")
