"""What the process of a trainer found out about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Right:
    """Of `images`, how many were classified right: `plain`, and `flip`, by the mean of the
    probabilities of the image and of its mirror image.
    """

    images: int
    plain: int
    flip: int

    def __add__(self, other: Right) -> Right:
        return Right(self.images + other.images, self.plain + other.plain, self.flip + other.flip)


@dataclass(frozen=True)
class Outcome:
    """A training of `epochs` epochs in `seconds`, and its accuracy.

    `time_for` is how many epochs there was time for, where whole ones were planned ahead; `note`
    what the trainer chose by itself.
    """

    epochs: int
    seconds: float
    images_per_second: float
    validation: Right
    test: Right
    time_for: float | None = None
    note: str = ""

    @property
    def both(self) -> Right:
        """Validation and test images together."""
        return self.validation + self.test


def outcome_of(content: dict[str, Any]) -> Outcome:
    """An outcome from the plain values of its JSON."""
    rights = {name: Right(**content[name]) for name in ("validation", "test")}
    return Outcome(**{**content, **rights})
