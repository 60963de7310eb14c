"""The deterministic part of a view: resize, then crop or pad, to the output size.

Training and evaluation share it. Arrays are uint8, RGB of shape (height, width, 3) or RGBX of
(height, width, 4): what comes is what goes.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from augcli.augment.decode import Pixels
from augcli.manifests.errors import unknown_name
from augcli.manifests.options import FIT_NAMES

_AREA_FROM = 2.0  # below this shrinking factor linear interpolation misses no source pixel


@dataclass(frozen=True)
class Fit:
    """How an image of any shape becomes `size` x `size` pixels.

    `crop` keeps the middle square, `pad` keeps all and adds black bars, `stretch` keeps all and
    changes proportions.
    """

    size: int
    mode: str

    def __post_init__(self) -> None:
        """Refuse a mode that is none: `stretch` would be as good a guess as any."""
        if self.mode not in FIT_NAMES:
            raise unknown_name("fit", self.mode, FIT_NAMES)

    @property
    def min_side(self) -> int:
        """The shortest side, in pixels, that a reduced decoding must keep."""
        return self.size

    def __call__(self, image: Pixels) -> Pixels:
        """The image at the output size: (size, size, channels), C-contiguous; input unchanged."""
        height, width = image.shape[:2]
        if self.mode == "pad":
            return self._pad(image, height, width)
        if self.mode == "crop":
            side = min(height, width)
            top, left = (height - side) // 2, (width - side) // 2
            image = image[top : top + side, left : left + side]
        return resize(image, self.size, self.size)

    def _pad(self, image: Pixels, height: int, width: int) -> Pixels:
        longest = max(height, width)
        new_height = max(1, round(height * self.size / longest))
        new_width = max(1, round(width * self.size / longest))
        canvas = np.zeros((self.size, self.size, image.shape[2]), np.uint8)
        top, left = (self.size - new_height) // 2, (self.size - new_width) // 2
        canvas[top : top + new_height, left : left + new_width] = resize(
            image, new_height, new_width
        )
        return canvas


def resize(image: Pixels, height: int, width: int) -> Pixels:
    """Resample to (height, width, 3): area averages along sides that shrink twofold or more."""
    source_height, source_width = image.shape[:2]
    if (source_height, source_width) == (height, width):
        return np.ascontiguousarray(image)
    if max(source_height / height, source_width / width) >= _AREA_FROM:
        shrunk = min(width, source_width), min(height, source_height)
        image = np.asarray(cv2.resize(image, shrunk, interpolation=cv2.INTER_AREA), np.uint8)
        if shrunk == (width, height):
            return image
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
