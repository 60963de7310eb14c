"""A fall by the same share in every epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

from augcli.train.config import TrainConfig
from augcli.train.schedules.base import Schedule, Span

END_FACTOR = 0.01
"""Where the fall ends without `--gamma`."""


@dataclass(frozen=True)
class Exponential(Schedule):
    """gamma ** (epochs so far), falling a little in every step.

    torch's `ExponentialLR` has the same values at the start of each epoch, and stays in between.
    Szegedy et al. 2016, section 8 (https://arxiv.org/abs/1512.00567), take 0.94 every two epochs.
    """

    gamma: float
    """The factor per epoch."""
    steps_per_epoch: int
    floor: float

    options = ("warmup_epochs", "min_lr", "gamma")

    @classmethod
    def made(cls, config: TrainConfig, span: Span) -> Self:
        gamma = config.gamma
        if gamma is None:
            gamma = END_FACTOR ** (span.steps_per_epoch / span.steps)
        return cls(gamma, span.steps_per_epoch, span.floor or 0.0)

    def factor(self, step: int) -> float:
        return max(math.pow(self.gamma, step / self.steps_per_epoch), self.floor)
