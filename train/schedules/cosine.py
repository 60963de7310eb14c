"""Cosine annealing, once or with warm restarts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

from augcli.train.config import TrainConfig
from augcli.train.schedules.base import Fall, Schedule, Span
from augcli.train.schedules.cycles import Cycles

CYCLE_MULT = 2
CYCLE_DECAY = 1.0


def cosine_between(start: float, end: float, share: float) -> float:
    """From `start` at share 0 to `end` at share 1, flat at both ends."""
    return end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * share))


@dataclass(frozen=True)
class Cosine(Fall):
    """floor + (1 - floor) (1 + cos(pi step / steps)) / 2: one fall over the whole span.

    Loshchilov and Hutter 2017, SGDR, equation 5 with a single cycle,
    https://arxiv.org/abs/1608.03983; torch's `CosineAnnealingLR`.
    """

    def factor(self, step: int) -> float:
        return cosine_between(1.0, self.floor, step / self.steps)


@dataclass(frozen=True)
class Restarts(Schedule):
    """floor + (peak - floor) (1 + cos(pi T_cur / T_i)) / 2, from the peak again in each cycle i.

    Loshchilov and Hutter 2017, SGDR, equation 5, stepped per batch as in section 3,
    https://arxiv.org/abs/1608.03983; torch's `CosineAnnealingWarmRestarts`. T_0 and T_mult are
    fast.ai's `cycle_len`, in epochs, and `cycle_mult`. The peak of cycle i is cycle_decay ** i,
    as in Keras's `CosineDecayRestarts` (`m_mul`); the paper's stays at 1.
    """

    cycles: Cycles
    decay: float
    steps: int
    floor: float

    options = ("warmup_epochs", "min_lr", "cycle_len", "cycle_mult", "cycle_decay")
    corner = "restart"

    @classmethod
    def made(cls, config: TrainConfig, span: Span) -> Self:
        mult = CYCLE_MULT if config.cycle_mult is None else config.cycle_mult
        if config.cycle_len is None:
            cycles = Cycles.filling(span.steps, mult)
        else:
            cycles = Cycles(config.cycle_len * span.steps_per_epoch, mult=mult)
        decay = CYCLE_DECAY if config.cycle_decay is None else config.cycle_decay
        return cls(cycles, decay, span.steps, span.floor or 0.0)

    def factor(self, step: int) -> float:
        cycle = self.cycles.at(step)
        peak = max(self.decay**cycle.number, self.floor)
        share = (step - cycle.start) / (cycle.end - cycle.start)
        return cosine_between(peak, self.floor, share)

    def cycle_ends(self) -> tuple[int, ...]:
        return self.cycles.ends(self.steps)

    def corners(self) -> tuple[int, ...]:
        return tuple(end for end in self.cycle_ends() if end < self.steps)
