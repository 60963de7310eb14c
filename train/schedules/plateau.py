"""A drop whenever validation has stopped getting better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from augcli.train.config import TrainConfig
from augcli.train.schedules.base import PlateauState, Schedule, Span
from augcli.train.schedules.drops import GAMMA

PATIENCE = 5
THRESHOLD = 1e-4
"""A loss is better when it is lower by this share of the best."""


@dataclass(frozen=True)
class Plateau(Schedule):
    """1 times what validation has reduced it to: by gamma after more than `patience` bad epochs.

    torch's `ReduceLROnPlateau` on the validation loss, with its relative threshold of 1e-4 and no
    cool-down; the practice of AlexNet (Krizhevsky et al. 2012, section 5,
    https://papers.nips.cc/paper/4824) made a rule. The only schedule that looks at more than the
    step: what it has seen is a `PlateauState`, which the caller keeps.
    """

    gamma: float
    patience: int
    floor: float

    options = ("warmup_epochs", "min_lr", "gamma", "patience")

    @classmethod
    def made(cls, config: TrainConfig, span: Span) -> Self:
        gamma = GAMMA if config.gamma is None else config.gamma
        patience = PATIENCE if config.patience is None else config.patience
        return cls(gamma, patience, span.floor or 0.0)

    def factor(self, step: int) -> float:
        return 1.0

    def after_epoch(self, state: PlateauState, validation_loss: float | None) -> PlateauState:
        assert validation_loss is not None
        if state.best is None or validation_loss < state.best * (1.0 - THRESHOLD):
            return PlateauState(validation_loss, 0, state.factor)
        if state.bad_epochs < self.patience:
            return PlateauState(state.best, state.bad_epochs + 1, state.factor)
        return PlateauState(state.best, 0, max(state.factor * self.gamma, self.floor))
