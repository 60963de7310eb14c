"""One long cycle: up, and down to far below where it began."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from augcli.train.config import TrainConfig
from augcli.train.schedules.base import Schedule, Span
from augcli.train.schedules.cosine import cosine_between

RISE_SHARE = 0.3
START_FACTOR = 1 / 25
END_FACTOR = 1 / 25e4


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up from 1/25 to 1 over the first 30 % of the run, then down to 1/250,000, both by cosine.

    Smith and Topin 2018, https://arxiv.org/abs/1708.07120, in fast.ai's form with cosine instead
    of straight lines, which is torch's `OneCycleLR`. Momentum stays as it is. A floor takes the
    place of the end, and of the start if it is higher.
    """

    steps: int
    start: float
    end: float

    options = ("min_lr",)
    own_warmup = True
    corner = "peak"

    @classmethod
    def made(cls, config: TrainConfig, span: Span) -> Self:
        end = END_FACTOR if span.floor is None else span.floor
        return cls(span.steps, max(START_FACTOR, end), end)

    def factor(self, step: int) -> float:
        peak = RISE_SHARE * self.steps - 1
        if peak > 0 and step <= peak:
            return cosine_between(self.start, 1.0, step / peak)
        # A run too short to rise starts at the peak.
        peak = max(peak, 0.0)
        return cosine_between(1.0, self.end, (step - peak) / max(self.steps - 1 - peak, 1.0))

    def cycle_ends(self) -> tuple[int, ...]:
        return (self.steps,)

    def corners(self) -> tuple[int, ...]:
        peak = round(RISE_SHARE * self.steps - 1)
        return (peak,) if peak > 0 else ()
