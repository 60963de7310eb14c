"""The loss around the minima of one run or two, and its record."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from augcli.train.evaluation.config import LandscapeConfig

FORMAT = "augcli-landscape"
VERSION = 1
LINE = 2
"""Times as many points on a line as on a side of the plane, which is dear."""
RECORD, PICTURE = "landscape.json", "landscape.png"

Losses = npt.NDArray[np.float64]
"""Mean cross-entropies in nats; infinite where they overflow."""


@dataclass(frozen=True)
class Landscape:
    """The loss around the minimum of one run."""

    name: str
    """The run's folder."""
    lines: dict[str, Losses]
    """By split, the loss at `line_steps` of the first direction."""
    plane: Losses | None
    """On training images, at `plane_steps`: rows along the second, columns along the first."""


@dataclass(frozen=True)
class LandscapeResult:
    """Landscapes of one run or two, on the same images along the same directions."""

    folder: Path
    config: LandscapeConfig
    landscapes: tuple[Landscape, ...]
    images: dict[str, int]
    """How many of each split."""
    classes: int

    @property
    def guessing(self) -> float:
        """The loss of giving all classes the same probability, in nats."""
        return float(np.log(self.classes))

    @property
    def picture(self) -> Path:
        """The picture of all."""
        return self.folder / PICTURE

    @property
    def line_steps(self) -> Losses:
        """Where the losses of a line are, in norms of each filter."""
        return steps(self.config.span, LINE * self.config.points)

    @property
    def plane_steps(self) -> Losses:
        """Where the rows and columns of a plane are."""
        return steps(self.config.span, self.config.points)

    def to_json(self) -> dict[str, Any]:
        """`landscape.json`; None for a loss that overflowed."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "seed": self.config.seed,
            "images": self.images,
            "line_steps": self.line_steps.tolist(),
            "plane_steps": self.plane_steps.tolist(),
            "runs": [
                {
                    "name": found.name,
                    "lines": {split: _plain(losses) for split, losses in found.lines.items()},
                    "plane": [_plain(row) for row in found.plane]
                    if found.plane is not None
                    else None,
                }
                for found in self.landscapes
            ],
        }


def _plain(losses: Losses) -> list[float | None]:
    return [loss if np.isfinite(loss) else None for loss in losses.tolist()]


def steps(span: float, points: int) -> Losses:
    """Evenly spaced from -span to span: `points` on each side of 0."""
    return np.linspace(-span, span, 2 * points + 1)
