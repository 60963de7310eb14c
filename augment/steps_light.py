"""Compiled light: what maps each grey level by itself becomes a table of 256 levels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from augcli.augment.canvas import Canvas, Table
from augcli.augment.seeding import ViewStream
from augcli.augment.steps import TABLE, Applied, Step, happens

_MARGIN = 0.1  # wider than the rounding of float32
_LEVELS = np.arange(256, dtype=np.float32)
_UNIT_LEVELS = np.arange(0, 256.0 / 255, 1.0 / 255)


@dataclass(frozen=True)
class BrightnessContrast:
    """`RandomBrightnessContrast`: level times contrast plus brightness, cut off at 0 and 255."""

    how: ClassVar[str] = TABLE

    p: float
    brightness: tuple[float, float]
    contrast: tuple[float, float]

    def __call__(
        self, canvas: Canvas, stream: ViewStream, applied: Applied, force: bool = False
    ) -> None:
        """One coin, contrast, brightness."""
        if happens(self.p, stream, force):
            alpha = 1.0 + stream.python.uniform(*self.contrast)
            beta = stream.python.uniform(*self.brightness) * 255.0
            canvas.translate(linear_table(alpha, beta))
            applied.append(
                f'["RandomBrightnessContrast",{{"alpha":{alpha:.6g},"beta":{beta:.6g}}}]'
            )


@dataclass(frozen=True)
class Gamma:
    """`RandomGamma`: level to the power of gamma, of levels from 0 to 1. The limit is in %."""

    how: ClassVar[str] = TABLE

    p: float
    limit: tuple[float, float]

    def __call__(
        self, canvas: Canvas, stream: ViewStream, applied: Applied, force: bool = False
    ) -> None:
        """One coin, gamma."""
        if happens(self.p, stream, force):
            gamma = stream.python.uniform(*self.limit) / 100.0
            canvas.translate((_UNIT_LEVELS**gamma * 255).astype(np.uint8))
            applied.append(f'["RandomGamma",{{"gamma":{gamma:.6g}}}]')


def linear_table(factor: float, offset: float) -> Table:
    """The table of level * factor + offset, rounded down as albumentations does, uint8 (256,)."""
    levels = _LEVELS * factor
    levels += offset
    first, last = offset, 255.0 * factor + offset
    if min(first, last) < _MARGIN:
        np.maximum(levels, 0.0, out=levels)
    if max(first, last) > 255.0 - _MARGIN:
        np.minimum(levels, 255.0, out=levels)
    return np.asarray(levels, np.uint8)


Node = Mapping[str, Any]


def brightness_contrast_step(node: Node) -> Step | None:
    """`RandomBrightnessContrast`; None when it must see the picture."""
    if not node["brightness_by_max"] or node["ensure_safe_range"]:
        return None
    low, high = node["brightness_limit"]
    less, more = node["contrast_limit"]
    return BrightnessContrast(
        float(node["p"]), (float(low), float(high)), (float(less), float(more))
    )


def gamma_step(node: Node) -> Step:
    """`RandomGamma`."""
    low, high = node["gamma_limit"]
    return Gamma(float(node["p"]), (float(low), float(high)))
