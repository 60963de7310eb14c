"""The peak throughout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from augcli.train.config import TrainConfig
from augcli.train.schedules.base import Schedule, Span


@dataclass(frozen=True)
class Constant(Schedule):
    """1 throughout."""

    options = ("warmup_epochs",)

    @classmethod
    def made(cls, config: TrainConfig, span: Span) -> Self:
        return cls()

    def factor(self, step: int) -> float:
        return 1.0
