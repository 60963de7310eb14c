"""Pillow's `equalize` and `autocontrast`, to the bit, without its Python loops over levels.

Arrays are uint8 RGB (height, width, 3).
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from augcli.augment.decode import Pixels

_LEVELS = np.arange(256)


def equalize(image: Pixels) -> Pixels:
    """Each channel with its histogram made flat, as `PIL.ImageOps.equalize` does it."""
    return _mapped(image, [_equalizing(counts) for counts in _histograms(image)])


def autocontrast(image: Pixels) -> Pixels:
    """Each channel stretched over all levels, as `PIL.ImageOps.autocontrast` does it."""
    return _mapped(image, [_stretching(counts) for counts in _histograms(image)])


def _histograms(image: Pixels) -> list[npt.NDArray[np.int64]]:
    return [
        np.rint(cv2.calcHist([image], [channel], None, [256], [0, 256]).ravel()).astype(np.int64)
        for channel in range(3)
    ]


def _equalizing(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    used = np.flatnonzero(counts)
    step = int(counts.sum() - counts[used[-1]]) // 255
    if len(used) <= 1 or not step:
        return _LEVELS.astype(np.uint8)
    before = np.cumsum(counts) - counts
    return np.minimum((step // 2 + before) // step, 255).astype(np.uint8)


def _stretching(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    used = np.flatnonzero(counts)
    low, high = int(used[0]), int(used[-1])
    if high <= low:
        return _LEVELS.astype(np.uint8)
    scale = 255.0 / (high - low)
    return np.clip((_LEVELS * scale - low * scale).astype(np.int64), 0, 255).astype(np.uint8)


def _mapped(image: Pixels, tables: list[npt.NDArray[np.uint8]]) -> Pixels:
    return np.asarray(cv2.LUT(image, np.stack(tables, axis=-1)[None]), np.uint8)
