"""How strong each corruption is at severities 1 to 5, as its authors published it.

They did so for images of three sizes: ImageNet-C (224 pixels), Tiny ImageNet-C (64) and CIFAR-10-C
(32), https://github.com/hendrycks/robustness; what a large image bears would leave nothing of a
small one. The table nearest in size is used, its lengths in pixels scaled to the image at hand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from augcli.augment.corruptions.contract import Amount

Severities = Mapping[str, tuple[Amount, Amount, Amount, Amount, Amount]]

SEVERITIES = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class Calibration:
    """The amounts for images of about `side` pixels; lengths among them are in such pixels."""

    name: str
    side: int
    amounts: Severities


IMAGENET_C = Calibration(
    "ImageNet-C",
    224,
    {
        "gaussian-noise": ((0.08,), (0.12,), (0.18,), (0.26,), (0.38,)),
        "shot-noise": ((60,), (25,), (12,), (5,), (3,)),
        "impulse-noise": ((0.03,), (0.06,), (0.09,), (0.17,), (0.27,)),
        "defocus-blur": ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
        "glass-blur": ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
        "motion-blur": ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
        "zoom-blur": ((1.10, 0.01), (1.15, 0.01), (1.20, 0.02), (1.24, 0.02), (1.30, 0.03)),
        "snow": (
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
        "frost": ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
        "fog": ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
        "brightness": ((0.1,), (0.2,), (0.3,), (0.4,), (0.5,)),
        "contrast": ((0.4,), (0.3,), (0.2,), (0.1,), (0.05,)),
        "elastic": (
            (488, 170.8, 24.4),
            (488, 19.52, 48.8),
            (12.2, 2.44, 4.88),
            (17.08, 2.44, 4.88),
            (29.28, 2.44, 4.88),
        ),
        "pixelate": ((0.6,), (0.5,), (0.4,), (0.3,), (0.25,)),
        "jpeg": ((25,), (18,), (15,), (10,), (7,)),
    },
)

TINY_IMAGENET_C = Calibration(
    "Tiny ImageNet-C",
    64,
    {
        "gaussian-noise": ((0.04,), (0.08,), (0.12,), (0.15,), (0.18,)),
        "shot-noise": ((250,), (100,), (50,), (30,), (15,)),
        "impulse-noise": ((0.01,), (0.02,), (0.05,), (0.08,), (0.14,)),
        "defocus-blur": ((0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)),
        "glass-blur": ((0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2)),
        "motion-blur": ((10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)),
        "zoom-blur": ((1.05, 0.01), (1.10, 0.01), (1.15, 0.01), (1.20, 0.01), (1.25, 0.01)),
        "snow": (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.8),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.8),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.7),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.65),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.6),
        ),
        "frost": ((1, 0.3), (0.9, 0.4), (0.8, 0.45), (0.75, 0.5), (0.7, 0.55)),
        "fog": ((0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)),
        "brightness": ((0.1,), (0.2,), (0.3,), (0.4,), (0.5,)),
        "contrast": ((0.4,), (0.3,), (0.2,), (0.1,), (0.05,)),
        "elastic": (
            (0, 0, 5.12),
            (3.2, 19.2, 3.84),
            (6.4, 5.12, 3.84),
            (6.4, 1.92, 1.92),
            (10.24, 1.92, 1.28),
        ),
        "pixelate": ((0.9,), (0.8,), (0.7,), (0.6,), (0.5,)),
        "jpeg": ((65,), (58,), (50,), (40,), (25,)),
    },
)

CIFAR_10_C = Calibration(
    "CIFAR-10-C",
    32,
    {
        "gaussian-noise": ((0.04,), (0.06,), (0.08,), (0.09,), (0.10,)),
        "shot-noise": ((500,), (250,), (100,), (75,), (50,)),
        "impulse-noise": ((0.01,), (0.02,), (0.03,), (0.05,), (0.07,)),
        "defocus-blur": ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        "glass-blur": ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        "motion-blur": ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        "zoom-blur": ((1.05, 0.01), (1.10, 0.01), (1.15, 0.01), (1.20, 0.01), (1.25, 0.01)),
        "snow": (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
        "frost": ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
        "fog": ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
        "brightness": ((0.05,), (0.1,), (0.15,), (0.2,), (0.3,)),
        "contrast": ((0.75,), (0.5,), (0.4,), (0.3,), (0.15,)),
        "elastic": (
            (0, 0, 2.56),
            (1.6, 6.4, 2.24),
            (2.56, 1.92, 1.92),
            (3.2, 1.28, 1.6),
            (3.2, 0.96, 0.96),
        ),
        "pixelate": ((0.95,), (0.9,), (0.85,), (0.75,), (0.65,)),
        "jpeg": ((80,), (65,), (58,), (50,), (40,)),
    },
)

CALIBRATIONS = (CIFAR_10_C, TINY_IMAGENET_C, IMAGENET_C)


def calibration_for(side: int) -> Calibration:
    """The calibration that was made for images nearest in size to `side` pixels, by ratio."""
    return min(CALIBRATIONS, key=lambda known: abs(math.log(side / known.side)))
