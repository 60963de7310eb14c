"""Keras' `ImageDataGenerator` arguments as a policy.

Names, units and meanings are those of the Keras documentation: ranges of rotation and shear in
degrees, shifts as fractions of the size (or pixels from 1 up), zoom as a half-width around 1 or
(lower, upper), brightness as (lower, upper) factors, channel shift in grey levels.
"""

from __future__ import annotations

import math
from typing import Any

import cv2

from augcli.augment.pipeline import A, BasicTransform

Range = float | list[float] | tuple[float, float]

FILL_MODES = {
    "constant": cv2.BORDER_CONSTANT,
    "nearest": cv2.BORDER_REPLICATE,
    "reflect": cv2.BORDER_REFLECT,
    "wrap": cv2.BORDER_WRAP,
}


def keras_transforms(
    rotation_range: float = 0.0,
    width_shift_range: float = 0.0,
    height_shift_range: float = 0.0,
    shear_range: float = 0.0,
    zoom_range: Range = 0.0,
    horizontal_flip: bool = False,
    vertical_flip: bool = False,
    brightness_range: Range | None = None,
    channel_shift_range: float = 0.0,
    fill_mode: str = "nearest",
) -> list[BasicTransform]:
    """The transforms that `ImageDataGenerator` with these arguments would apply, in its order.

    Raises:
        ValueError: naming the argument that is out of its range.
    """
    if str(fill_mode) not in FILL_MODES:
        raise ValueError(f"fill_mode '{fill_mode}': one of {', '.join(FILL_MODES)}")
    for name, value in (
        ("rotation_range", rotation_range),
        ("width_shift_range", width_shift_range),
        ("height_shift_range", height_shift_range),
        ("shear_range", shear_range),
        ("channel_shift_range", channel_shift_range),
    ):
        if not _is_number(value):
            raise ValueError(f"{name} {value!r}: expected a number, 0 or more")
    for name, flag in (("horizontal_flip", horizontal_flip), ("vertical_flip", vertical_flip)):
        if not isinstance(flag, bool):
            raise ValueError(f"{name} {flag!r}: expected true or false")
    transforms: list[BasicTransform] = []
    geometry: dict[str, Any] = {
        "rotate": (-rotation_range, rotation_range),
        "shear": {"x": (-shear_range, shear_range), "y": (0.0, 0.0)},
        "scale": _zoom(zoom_range),
        **_shift(width_shift_range, height_shift_range),
    }
    if rotation_range or width_shift_range or height_shift_range or shear_range or zoom_range:
        transforms.append(A.Affine(**geometry, border_mode=FILL_MODES[fill_mode], p=1.0))
    if channel_shift_range:
        # Keras draws one shift for all channels: albumentations' brightness, not its RGBShift
        share = channel_shift_range / 255
        transforms.append(
            A.RandomBrightnessContrast(
                brightness_limit=(-share, share), contrast_limit=(0, 0), p=1.0
            )
        )
    if horizontal_flip:
        transforms.append(A.HorizontalFlip(p=0.5))
    if vertical_flip:
        transforms.append(A.VerticalFlip(p=0.5))
    if brightness_range is not None:
        low, high = _pair("brightness_range", brightness_range)
        transforms.append(
            A.ColorJitter(
                brightness=(low, high), contrast=(1, 1), saturation=(1, 1), hue=(0, 0), p=1.0
            )
        )
    return transforms


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value < math.inf


def _pair(name: str, value: Any) -> tuple[float, float]:
    pair = value if isinstance(value, list | tuple) and len(value) == 2 else (1, 0)
    if not all(map(_is_number, pair)) or pair[0] > pair[1]:
        raise ValueError(f"{name} {value!r}: expected [lower, upper], 0 <= lower <= upper")
    return float(pair[0]), float(pair[1])


def _zoom(zoom_range: Range) -> dict[str, tuple[float, float]]:
    """Keras' zoom z enlarges by 1/z, for x and y each; here 1/z is uniform, in Keras z is."""
    if not isinstance(zoom_range, list | tuple):
        if not _is_number(zoom_range) or zoom_range >= 1:
            raise ValueError(f"zoom_range {zoom_range}: from 0 to below 1, or [lower, upper]")
        low, high = 1 - zoom_range, 1 + zoom_range
    else:
        low, high = _pair("zoom_range", zoom_range)
        if low == 0:
            raise ValueError("zoom_range: its lower bound must be above 0")
    scale = (1 / high, 1 / low)
    return {"x": scale, "y": scale}


def _shift(width: float, height: float) -> dict[str, Any]:
    if width < 1 and height < 1:
        return {"translate_percent": {"x": (-width, width), "y": (-height, height)}}
    if (0 < width < 1) or (0 < height < 1):
        raise ValueError("width_shift_range and height_shift_range: both fractions or both pixels")
    x, y = int(width), int(height)
    return {"translate_px": {"x": (-x, x), "y": (-y, y)}}
