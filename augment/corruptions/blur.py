"""Blur of lenses and of motion."""

from __future__ import annotations

import math

import cv2
import numpy as np

from augcli.augment.corruptions.contract import Amount, Field

_REACH = 8  # least half-width of the defocus kernel: it is the same for all small radii


def defocus_blur(image: Field, draw: np.random.Generator, amount: Amount, scale: float) -> Field:
    """A lens out of focus: a disc; amount: (radius, blur of the disc's edge)."""
    radius, edge = amount[0] * scale, amount[1]
    reach = max(_REACH, math.ceil(radius))
    square = np.arange(-reach, reach + 1) ** 2
    disc = ((square[:, None] + square) <= radius**2).astype(np.float32)
    side = 3 if radius <= _REACH else 5
    kernel = cv2.GaussianBlur(disc / disc.sum(), (side, side), edge)
    return np.asarray(cv2.filter2D(image, -1, kernel), np.float32)


def glass_blur(image: Field, draw: np.random.Generator, amount: Amount, scale: float) -> Field:
    """Frosted glass: pixels change places with near ones; amount: (blur, reach, times).

    The authors visit pixels one by one. Here those whose partners can't meet change places at
    once, so that NumPy can do it.
    """
    sigma, reach, times = amount[0] * scale, max(1, round(amount[1] * scale)), int(amount[2])
    mixed = _blurred(image, sigma)
    apart = 2 * reach + 1
    rows, columns = (np.arange(reach, side - reach) for side in image.shape[:2])
    for start in range(times * apart * apart):
        some_rows = rows[start // apart % apart :: apart, None]
        some_columns = columns[None, start % apart :: apart]
        shape = np.broadcast_shapes(some_rows.shape, some_columns.shape)
        down, across = draw.integers(-reach, reach, (2, *shape))
        there = (some_rows + down, some_columns + across)
        here = (some_rows, some_columns)
        mixed[here], mixed[there] = mixed[there], mixed[here]
    return _blurred(mixed, sigma)


def motion_blur(image: Field, draw: np.random.Generator, amount: Amount, scale: float) -> Field:
    """A camera that moves, within 45 degrees of level; amount: (radius, sigma of the trail)."""
    kernel = motion_kernel(amount[0] * scale, amount[1] * scale, draw.uniform(-45.0, 45.0))
    return np.asarray(cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REPLICATE), np.float32)


def motion_kernel(radius: float, sigma: float, degrees: float) -> Field:
    """Half of a normal curve along a line from the middle, as ImageMagick's motion blur has it."""
    length = 2 * math.ceil(radius) + 1
    weights = np.exp(-(np.arange(length) ** 2) / (2 * sigma**2))
    angle = math.radians(degrees)
    kernel = np.zeros((2 * length - 1, 2 * length - 1), np.float32)
    middle = length - 1
    for step, weight in enumerate(weights / weights.sum()):
        down, across = round(step * math.sin(angle)), round(step * math.cos(angle))
        kernel[middle + down, middle + across] += weight
    return kernel


def zoom_blur(image: Field, draw: np.random.Generator, amount: Amount, scale: float) -> Field:
    """A camera that rushes forward: the mean of zooms; amount: (last factor, step)."""
    last, step = amount
    factors = np.linspace(1.0, last, round((last - 1) / step) + 1)
    total = image.copy()
    for factor in factors:
        total += zoomed(image, float(factor))
    return total / np.float32(len(factors) + 1)


def zoomed(image: Field, factor: float) -> Field:
    """`image` enlarged about its middle and cut to its size; any number of channels."""
    height, width = image.shape[:2]
    matrix = np.array(
        [
            [factor, 0, (1 - factor) * (width - 1) / 2],
            [0, factor, (1 - factor) * (height - 1) / 2],
        ]
    )
    enlarged = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(enlarged, np.float32)


def _blurred(image: Field, sigma: float) -> Field:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32)
