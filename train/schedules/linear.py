"""A straight line from the peak down to the floor."""

from __future__ import annotations

from dataclasses import dataclass

from augcli.train.schedules.base import Fall


@dataclass(frozen=True)
class Linear(Fall):
    """1 + (floor - 1) step / steps; with a floor of 0 the best of many against stochastic noise.

    Defazio et al. 2023, "Optimal linear decay learning rate schedules and further refinements",
    https://arxiv.org/abs/2310.07831; torch's `LinearLR` from 1 to the floor.
    """

    def factor(self, step: int) -> float:
        return 1.0 + (self.floor - 1.0) * step / self.steps
