"""What `--residual` asks for: a text such as `flip,shift=2,erase`, read and written back.

Imports nothing heavy, so that the command line can refuse a bad text before torch is loaded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from augcli.manifests.errors import UsageError
from augcli.manifests.inputs import shown

OPTION = "--residual"

SHIFT_BY_SIDE = 0
"""As `shift_pixels`: a 16th of each side, at least 1 pixel."""
SIDES_PER_SHIFT = 16
"""2 of 32 pixels, as airbench shifts (Jordan 2024, https://arxiv.org/abs/2404.00498)."""

_DECIMAL = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)


@dataclass(frozen=True)
class ResidualSpec:
    """The transforms of a residual policy by their amounts; False or None: not asked for."""

    flip: bool = False
    shift_pixels: int | None = None
    """The most pixels in x and in y, or `SHIFT_BY_SIDE`."""
    affine_strength: float | None = None
    """Of `residual_draws.draw_affine`."""
    colour_strength: float | None = None
    """Of `residual_draws.draw_colours`."""
    erase_probability: float | None = None
    mixup_alpha: float | None = None
    """Mixup's shares follow Beta(alpha, alpha)."""
    cutmix_alpha: float | None = None
    """Cutmix's shares follow Beta(alpha, alpha)."""

    def __str__(self) -> str:
        """The canonical text, from which `parse_residual` makes an equal spec."""
        values = [(name, getattr(self, amount.field)) for name, amount in TRANSFORMS.items()]
        return ",".join(
            name if value is True or value == SHIFT_BY_SIDE else f"{name}={value!r}"
            for name, value in values
            if value is not None and value is not False
        )

    def shift_limits(self, height: int, width: int) -> tuple[int, int]:
        """The most pixels that images of this size shift, in y and in x; 0 without `shift`.

        Raises:
            UsageError: half of a side or more, so that the border would be reflected twice.
        """
        if self.shift_pixels is None:
            return 0, 0
        most_y, most_x = max(0, (height - 1) // 2), max(0, (width - 1) // 2)
        if self.shift_pixels == SHIFT_BY_SIDE:
            return min(most_y, _part_of(height)), min(most_x, _part_of(width))
        if self.shift_pixels > min(most_y, most_x):
            raise UsageError(
                f"{OPTION} shift={self.shift_pixels}: is too large for images of {width} x "
                f"{height} pixels: at most {min(most_y, most_x)}"
            )
        return self.shift_pixels, self.shift_pixels


def _part_of(side: int) -> int:
    return max(1, side // SIDES_PER_SHIFT)


@dataclass(frozen=True)
class Amount:
    """What may stand behind a transform's `=`, and where it is kept in a `ResidualSpec`."""

    field: str
    default: bool | int | float
    """The value when the name stands alone: the only place where it is written."""
    expected: str
    """What an error says; '' when the transform takes no amount."""
    maximum: float = 0.0

    def read(self, text: str) -> int | float | None:
        """The value that `text` stands for, above 0 and up to the maximum; None for no such."""
        if not self.expected or not _DECIMAL.fullmatch(text):
            return None
        if isinstance(self.default, int) and not text.isdigit():
            return None
        value = float(text)
        if not 0 < value <= self.maximum:
            return None
        return type(self.default)(value)


TRANSFORMS = {
    "flip": Amount("flip", True, ""),
    "shift": Amount("shift_pixels", SHIFT_BY_SIDE, "a whole number of pixels, at least 1", 1e6),
    "affine": Amount("affine_strength", 0.15, "a strength above 0 and up to 1", 1.0),
    "colour": Amount("colour_strength", 0.2, "a strength above 0 and up to 1", 1.0),
    "erase": Amount("erase_probability", 0.25, "a probability above 0 and up to 1", 1.0),
    "mixup": Amount("mixup_alpha", 0.2, "an alpha above 0 and up to 100", 100.0),
    "cutmix": Amount("cutmix_alpha", 1.0, "an alpha above 0 and up to 100", 100.0),
}
"""By name, in the order in which they are applied."""


def parse_residual(text: str) -> ResidualSpec:
    """The spec of a text such as `flip,shift=2,erase=0.25,mixup,cutmix`, in whatever order.

    Raises:
        UsageError: an unknown name, an amount that is not as expected, or a name that comes twice.
    """
    fields: dict[str, bool | int | float] = {}
    for part in text.split(","):
        name, equals, amount = (piece.strip() for piece in part.partition("="))
        if name not in TRANSFORMS:
            raise _unknown(name)
        transform = TRANSFORMS[name]
        if transform.field in fields:
            raise UsageError(f"{OPTION} {shown(text)}: {name} is there twice: keep one")
        fields[transform.field] = _value(name, amount) if equals else transform.default
    return ResidualSpec(**fields)  # type: ignore[arg-type]


def _value(name: str, amount: str) -> int | float:
    transform = TRANSFORMS[name]
    value = transform.read(amount)
    if value is None:
        what = f"expected {transform.expected}" if transform.expected else "it takes no amount"
        raise UsageError(f"{OPTION} {name}={shown(amount)}: {what}, or {name} alone")
    return value


def _unknown(name: str) -> UsageError:
    choices = ", ".join(TRANSFORMS)
    if not name:
        return UsageError(f"{OPTION}: a name is missing: choose from {choices}, with commas")
    return UsageError(f"{OPTION}: unknown transform '{shown(name)}': choose from {choices}")
