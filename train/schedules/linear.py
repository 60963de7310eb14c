"""A straight line from the peak down to the floor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from augcli.train.config import TrainConfig
from augcli.train.schedules.base import Schedule, Span


@dataclass(frozen=True)
class Linear(Schedule):
    """1 + (floor - 1) step / steps; with a floor of 0 the best of many against stochastic noise.

    Defazio et al. 2023, "Optimal linear decay learning rate schedules and further refinements",
    https://arxiv.org/abs/2310.07831; torch's `LinearLR` from 1 to the floor.
    """

    steps: int
    floor: float

    options = ("warmup_epochs", "min_lr")

    @classmethod
    def made(cls, config: TrainConfig, span: Span) -> Self:
        return cls(span.steps, span.floor or 0.0)

    def factor(self, step: int) -> float:
        return 1.0 + (self.floor - 1.0) * step / self.steps

    def cycle_ends(self) -> tuple[int, ...]:
        return (self.steps,)
