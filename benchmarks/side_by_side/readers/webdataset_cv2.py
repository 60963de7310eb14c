"""webdataset with cv2, which is what many decode by."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import cv2
import numpy as np

from side_by_side.readers.torch_loading import one_thread
from side_by_side.readers.webdataset_loader import for_jpeg, open_webdataset
from side_by_side.reading.batch import Epochs
from side_by_side.reading.work import ReadWork

RGB = getattr(cv2, "IMREAD_COLOR_RGB", None)  # since 4.11


def open_reader(work: ReadWork, variant: str) -> AbstractContextManager[Epochs]:
    """A decoder of one's own, as its documentation has it."""
    return open_webdataset(work, for_jpeg(_decode), worker_init_fn=one_thread)


def _decode(data: bytes) -> Any:
    encoded = np.frombuffer(data, np.uint8)
    if RGB is not None:
        return cv2.imdecode(encoded, RGB)
    return cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
