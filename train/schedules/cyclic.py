"""Straight lines up and down between a base and the peak, again and again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from augcli.manifests.errors import UsageError
from augcli.train.config import CYCLIC_MODES, TrainConfig
from augcli.train.schedules.base import Schedule, Span
from augcli.train.schedules.cycles import Cycles

BASE_FACTOR = 1 / 4
"""Smith 2017, section 3.3: a third or a quarter of the largest learning rate."""
RANGE_END_FACTOR = 0.2
"""How much of the distance between base and peak `exp_range` leaves at the end of the run."""

AMPLITUDES: dict[str, Callable[[int, float, float], float]] = {
    "triangular": lambda number, epochs, gamma: 1.0,
    "triangular2": lambda number, epochs, gamma: 0.5**number,
    "exp_range": lambda number, epochs, gamma: gamma**epochs,
}
"""f(cycle's number from 0, epochs so far, gamma): the share of the distance that is used."""


@dataclass(frozen=True)
class Cyclic(Schedule):
    """base + (1 - base) max(0, 1 - |2 x - 1|) amplitude, x = share of the cycle that is done.

    Smith 2017, section 3.1, https://arxiv.org/abs/1506.01186; torch's `CyclicLR`. A cycle is two
    of the paper's stepsizes, up and down. `triangular2` halves the distance from base to peak
    after each cycle, `exp_range` shrinks it by gamma per epoch (the paper and torch count gamma
    per step: ours ** (1 / steps per epoch)); the base stays, as in torch. Momentum stays too.
    """

    cycles: Cycles
    mode: str
    gamma: float
    """The factor per epoch, for `exp_range`."""
    steps: int
    steps_per_epoch: int
    base: float

    options = ("min_lr", "cycle_len", "cyclic_mode", "gamma")
    own_warmup = True

    @classmethod
    def made(cls, config: TrainConfig, span: Span) -> Self:
        mode = CYCLIC_MODES[0] if config.cyclic_mode is None else config.cyclic_mode
        if config.gamma is not None and mode != "exp_range":
            raise UsageError(f"--gamma goes with --cyclic-mode exp_range, not with {mode}")
        if config.cycle_len is None:
            cycles = Cycles.filling(span.steps)
        else:
            cycles = Cycles(config.cycle_len * span.steps_per_epoch)
        gamma = config.gamma
        if gamma is None:
            gamma = RANGE_END_FACTOR ** (span.steps_per_epoch / span.steps)
        base = BASE_FACTOR if span.floor is None else span.floor
        return cls(cycles, mode, gamma, span.steps, span.steps_per_epoch, base)

    def factor(self, step: int) -> float:
        cycle = self.cycles.at(step)
        # A cycle of a single step is its peak: else nothing would ever be learnt.
        length = cycle.end - cycle.start
        share = (step - cycle.start) / length if length > 1 else 0.5
        amplitude = AMPLITUDES[self.mode](cycle.number, step / self.steps_per_epoch, self.gamma)
        return self.base + (1.0 - self.base) * (1.0 - abs(2.0 * share - 1.0)) * amplitude

    def cycle_ends(self) -> tuple[int, ...]:
        return self.cycles.ends(self.steps)

    def corners(self) -> tuple[int, ...]:
        turns: list[int] = []
        start = 0
        while start < self.steps:
            end = self.cycles.at(start).end
            turns += [(start + end) // 2, end]
            start = end
        return tuple(turn for turn in turns if 0 < turn < self.steps)
