"""A fitted image, ready for all its views: RGBX, uint8 (height, width, 4).

Four channels, the last of no meaning: OpenCV warps four in half the time of three, with the same
result, and libjpeg decodes to and encodes from four as fast.
"""

from __future__ import annotations

import cv2
import numpy as np

from augcli.augment.decode import Pixels

Fill = tuple[float, float, float]


def rgbx_of(rgb: Pixels) -> Pixels:
    """uint8 RGB (height, width, 3) as RGBX (height, width, 4), a new array."""
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2RGBA), np.uint8)


def rgb_of(rgbx: Pixels) -> Pixels:
    """uint8 RGBX (height, width, 4) as RGB (height, width, 3), a new array."""
    return np.asarray(cv2.cvtColor(rgbx, cv2.COLOR_RGBA2RGB), np.uint8)


class Frame:
    """An image that views are made of. Its pixels are never changed.

    Attributes:
        pixels: uint8 RGBX (height, width, 4), C-contiguous.
        margin: how far `extended` reaches beyond each edge, in pixels.
    """

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels
        self.margin = max(pixels.shape[:2]) // 4 + 2
        self._extended: dict[int, Pixels] = {}

    @property
    def rgb(self) -> Pixels:
        """uint8 RGB (height, width, 3), a new array."""
        return rgb_of(self.pixels)

    @property
    def is_blank(self) -> bool:
        """Whether all pixels have the same colour."""
        rgb = self.pixels[:, :, :3]
        return bool((rgb[0] == rgb[0, 0]).all() and (rgb == rgb[0, 0]).all())

    def extended(self, border: int) -> Pixels:
        """The image continued by `margin` as OpenCV's border mode says; made once for all views.

        Warping it costs little more than half of warping across an edge with that mode.
        """
        found = self._extended.get(border)
        if found is None:
            edges = (self.margin,) * 4
            found = np.asarray(cv2.copyMakeBorder(self.pixels, *edges, border), np.uint8)
            self._extended[border] = found
        return found
