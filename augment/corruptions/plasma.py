"""Fractal fields for weather: float32 (side, side), drawn from a generator."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from augcli.augment.corruptions.blur import motion_kernel
from augcli.augment.corruptions.contract import Field

_ICE, _DARK = (0.86, 0.93, 1.0), (0.24, 0.33, 0.42)  # RGB of frost and of the window between
_WINDOWS = 6  # as many as the authors have photographs
_DRAWN_SIDE = 384  # pixels, of a window
_DIRECTIONS = 8  # in which needles grow
_RARE = 60  # an exponent: few seeds are near 1
_LENGTH = 13  # of needles, in pixels of a window
_PATCHINESS = 1.6  # as `decay` of `plasma`


def plasma(side: int, decay: float, draw: np.random.Generator) -> Field:
    """Clouds by midpoint displacement on a torus, stretched to 0..1; `decay` smooths them.

    The diamond-square algorithm: Fournier, Fussell and Carpenter 1982,
    https://doi.org/10.1145/358523.358553. Each halving of distances divides displacements by the
    square of `decay`.
    """
    field = np.zeros((1, 1))
    amplitude = 1.0
    while len(field) < side:
        field = _refined(field, amplitude, draw)
        amplitude /= decay**2
    field -= field.min()
    field /= max(field.max(), 1e-12)
    return field[:side, :side].astype(np.float32)


def _refined(field: np.ndarray, amplitude: float, draw: np.random.Generator) -> np.ndarray:
    """Twice as many points a side: middles of squares first, then of what is between those."""
    count = len(field)

    def displacement() -> np.ndarray:
        return amplitude * draw.uniform(-1, 1, (count, count))

    rows = field + np.roll(field, -1, axis=0)
    middles = (rows + np.roll(rows, -1, axis=1)) / 4 + displacement()
    beside = (field + np.roll(field, -1, axis=1) + middles + np.roll(middles, 1, axis=0)) / 4
    below = (field + np.roll(field, -1, axis=0) + middles + np.roll(middles, 1, axis=1)) / 4
    finer = np.empty((2 * count, 2 * count))
    finer[::2, ::2] = field
    finer[1::2, 1::2] = middles
    finer[::2, 1::2] = beside + displacement()
    finer[1::2, ::2] = below + displacement()
    return finer


def frost_layer(side: int, draw: np.random.Generator) -> Field:
    """A piece of an iced window, RGB (side, side, 3)."""
    window = _window(int(draw.integers(_WINDOWS)), side)
    top, left = draw.integers(0, len(window) - side + 1, 2)
    ice = window[top : top + side, left : left + side, None]
    dark, white = np.array(_DARK, np.float32), np.array(_ICE, np.float32)
    return np.asarray(dark + (white - dark) * ice, np.float32)


@lru_cache(maxsize=2 * _WINDOWS)
def _window(number: int, side: int) -> Field:
    """How much ice, 0..1 (2 * side, 2 * side): needles in all directions, in patches of a film.

    Needles grow from rare seeds, each along one of a few directions and thinner towards its end.
    """
    draw = np.random.Generator(np.random.PCG64(number))
    needles = np.zeros((_DRAWN_SIDE, _DRAWN_SIDE), np.float32)
    for degrees in draw.uniform(0, 360, _DIRECTIONS):
        seeds = draw.random(needles.shape, np.float32) ** _RARE
        trail = motion_kernel(_LENGTH, _LENGTH, degrees)
        grown = cv2.filter2D(seeds, -1, trail / trail.max(), borderType=cv2.BORDER_REFLECT)
        needles = np.maximum(needles, grown)
    patches = plasma(_DRAWN_SIDE, _PATCHINESS, draw)
    ice = np.clip(needles / np.quantile(needles, 0.98) * (0.35 + patches), 0, 1)
    shrunk = cv2.resize(ice, (2 * side, 2 * side), interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk, np.float32)
