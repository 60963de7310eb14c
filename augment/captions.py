"""What was drawn for a view, in words that fit under a picture: `rotate -12.3, scale 1.04`.

Records keep everything that a transform drew; people who look at its result want the few numbers
that they chose ranges for. In plain ASCII: any font has it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Matrix = Sequence[Sequence[float]]

# What says nothing without the code: matrices, masks, seeds, lists of single rain drops.
_LEFT_OUT = frozenset(
    """
    crop_params drop_mask drop_values dxy gravels_infos image_type kernel mask mask_drop_mask
    mask_drop_values matrix matrix_bbox max_height max_width noise_map order particle_positions
    plasma_pattern rain_drops random_seed replace_samples result_shape seed sharpening_matrix
    snow_texture sparkle_mask tiles vertices_list x_max x_min y_max y_min
    """.split()
)
_MAX_ITEMS = 6
_TINY = 0.05  # degrees or pixels: less is rounding
_WITHOUT_MAGNITUDE = ("AutoContrast", "Equalize", "Identity", "Invert")


def caption(name: str, drawn: Mapping[str, Any], size: int) -> str:
    """The main parameters that the transform `name` drew; '' when it has none to tell.

    `size` is the side of the view in pixels.
    """
    if name in _AFFINE:
        return _affine(drawn, size)
    return _SPECIAL.get(name, _general)(drawn)


def captions(applied: Sequence[Any], size: int) -> str:
    """All that was applied, in order: `HorizontalFlip; Affine rotate 3.1; ...`."""
    return "; ".join(f"{name} {caption(name, drawn, size)}".strip() for name, drawn in applied)


def _general(drawn: Mapping[str, Any]) -> str:
    parts = []
    for name, value in drawn.items():
        told = "" if name in _LEFT_OUT else _told(value)
        if told:
            parts.append(f"{name.replace('_', ' ')} {told}")
    return ", ".join(parts)


def _told(value: Any) -> str:
    """A value in a few characters; '' for what can't be."""
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value).lower()
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, str):
        return "" if value.startswith("array(") else value
    if isinstance(value, Mapping):
        told = [_told(item) for item in value.values()]
        return told[0] if len(set(told)) == 1 else " x ".join(told)
    if isinstance(value, list) and 0 < len(value) <= _MAX_ITEMS:
        told = [_told(item) for item in value if not isinstance(item, list | Mapping)]
        return " ".join(told) if len(told) == len(value) else ""
    return ""


def _number(value: float) -> str:
    """Three digits: `12.3`, `1.04`, `0.00966`; whole numbers as they are."""
    if isinstance(value, int):
        return str(value)
    told = f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return "0" if told == "-0" else told


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{_number(value)}"


def _affine(drawn: Mapping[str, Any], size: int) -> str:
    """Rotation (degrees, against the clock), scale, shear (degrees), shift (pixels): if any."""
    if "matrix" not in drawn:
        return _compiled_affine(drawn)
    matrix = drawn["matrix"]
    rotate = drawn.get("rotate", math.degrees(math.atan2(matrix[0][1], matrix[0][0])))
    parts = [f"rotate {_number(rotate)}"] if abs(rotate) >= _TINY else []
    scale = drawn.get("scale", {"x": 1.0, "y": 1.0})
    if _told(scale) != "1":
        parts.append(f"scale {_told(scale)}")
    for name, (x, y) in (
        ("shear", _shear(matrix, rotate, scale)),
        ("shift", _shift(matrix, (size - 1) / 2)),
    ):
        if max(abs(x), abs(y)) >= _TINY:
            parts.append(f"{name} ({_number(round(x, 1))},{_number(round(y, 1))})")
    return ", ".join(parts)


def _compiled_affine(drawn: Mapping[str, Any]) -> str:
    """The same, as the compiled transforms record it."""
    parts = [f"rotate {_number(drawn['rotate'])}"] if abs(drawn["rotate"]) >= _TINY else []
    across, down = drawn.get("scale", (1.0, 1.0))
    told = _told({"x": float(across), "y": float(down)})
    if told != "1":
        parts.append(f"scale {told}")
    for name in ("shear", "shift"):
        x, y = drawn.get(name, (0, 0))
        if max(abs(x), abs(y)) >= _TINY:
            parts.append(f"{name} ({_number(round(x, 1))},{_number(round(y, 1))})")
    return ", ".join(parts)


def _shear(matrix: Matrix, rotate: float, scale: Mapping[str, float]) -> tuple[float, float]:
    """Degrees along x and y, with the signs that policies give them in.

    albumentations' matrix is [[1, -tan x], [-tan y, 1]] @ rotation @ scale.
    """
    cosine, sine = math.cos(math.radians(rotate)), math.sin(math.radians(rotate))
    (a, b), (c, d) = ((row[0] / scale["x"], row[1] / scale["y"]) for row in matrix[:2])
    return (
        math.degrees(math.atan(a * sine - b * cosine)),
        math.degrees(math.atan(-c * cosine - d * sine)),
    )


def _shift(matrix: Matrix, middle: float) -> tuple[float, float]:
    """Pixels by which the middle of the image is moved, along x and y."""
    x, y = (row[0] * middle + row[1] * middle + row[2] - middle for row in matrix[:2])
    return x, y


def _brightness_contrast(drawn: Mapping[str, Any]) -> str:
    return f"contrast {_number(drawn['alpha'])}, brightness {_signed(drawn['beta'])}"


def _operations(operations: Sequence[Any], between: str = ", ") -> str:
    told = (
        name if name in _WITHOUT_MAGNITUDE else f"{name} {_number(magnitude)}"
        for name, magnitude in operations
    )
    return between.join(told) or "nothing drawn"


def _drawn_operations(drawn: Mapping[str, Any]) -> str:
    return _operations(drawn["operations"])


def _augmix(drawn: Mapping[str, Any]) -> str:
    """The share of the original, then that of each chain with its operations."""
    keep = drawn["keep"]
    chains = (
        f"{(1 - keep) * weight:.0%} {_operations(chain, ' > ')}"
        for weight, chain in zip(drawn["weights"], drawn["chains"], strict=True)
    )
    return ", ".join([f"{keep:.0%} original", *chains])


def _element(drawn: Mapping[str, Any]) -> str:
    return _ELEMENTS.get(drawn["group_element"], str(drawn["group_element"]))


def _holes(drawn: Mapping[str, Any]) -> str:
    """CoarseDropout and its kin: `(x, y) to (x, y)` in pixels, or how many."""
    holes = drawn["holes"]
    if isinstance(holes, list) and len(holes) == 1:
        left, top, right, bottom = holes[0]
        return f"{right - left} x {bottom - top} pixels at {left}, {top}"
    return f"{_length(holes)} holes"


def _crop(drawn: Mapping[str, Any]) -> str:
    left, top, right, bottom = drawn["crop_coords"]
    return f"{right - left} x {bottom - top} pixels at {left}, {top}"


def _kernel(drawn: Mapping[str, Any]) -> str:
    kernel = drawn["kernel"]
    return f"kernel {kernel if isinstance(kernel, int) else _length(kernel)}"


def _length(array: Sequence[Any] | str) -> int:
    """Rows of an array; a large one is recorded as its shape, `array(15, 15)`."""
    return int(array[len("array(") :].split(",")[0]) if isinstance(array, str) else len(array)


def _quarters(drawn: Mapping[str, Any]) -> str:
    return f"{drawn['factor'] * 90} degrees"


_AFFINE = ("Affine", "Rotate", "SafeRotate", "ShiftScaleRotate")

_ELEMENTS = {
    "e": "as it is",
    "r90": "rotate 90",
    "r180": "rotate 180",
    "r270": "rotate 270",
    "v": "flip vertically",
    "h": "flip horizontally",
    "hvt": "flip on the other diagonal",
    "t": "flip on the diagonal",
}

_SPECIAL: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "AdvancedBlur": _kernel,
    "AugMix": _augmix,
    "AutoAugment": _drawn_operations,
    "Blur": _kernel,
    "CoarseDropout": _holes,
    "D4": _element,
    "Erasing": _holes,
    "GaussianBlur": _kernel,
    "GridDropout": _holes,
    "MedianBlur": _kernel,
    "MotionBlur": _kernel,
    "RandAugment": _drawn_operations,
    "RandomBrightnessContrast": _brightness_contrast,
    "RandomResizedCrop": _crop,
    "RandomRotate90": _quarters,
    "RandomSizedCrop": _crop,
    "SquareSymmetry": _element,
    "TrivialAugment": _drawn_operations,
    "XYMasking": _holes,
}
