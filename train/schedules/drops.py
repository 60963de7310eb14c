"""Schedules that fall by a factor at certain steps, and stay in between."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from augcli.manifests.errors import UsageError
from augcli.manifests.inputs import shown
from augcli.train.config import TrainConfig
from augcli.train.schedules.base import Schedule, Span

GAMMA = 0.1
"""He et al. 2016, section 4.2, https://arxiv.org/abs/1512.03385."""
STEP_PARTS = 3
MILESTONE_SHARES = (1 / 2, 3 / 4)
"""Of the run: after 32,000 and 48,000 of 64,000 steps, as in the same section."""


@dataclass(frozen=True)
class Step(Schedule):
    """gamma ** floor(step / length): a drop after each of equal lengths.

    The formula is torch's `StepLR`; He et al. 2016, section 4.2
    (https://arxiv.org/abs/1512.03385), divide by 10 in this way. Without `--step-len` the span is
    cut into three; with it, the lengths count from the start of the run.
    """

    length: int
    gamma: float
    floor: float
    steps: int
    offset: int = 0
    """Steps of the run before the schedule's first, if they count."""

    options = ("warmup_epochs", "min_lr", "step_len", "gamma")
    corner = "drop"

    @classmethod
    def made(cls, config: TrainConfig, span: Span) -> Self:
        gamma = GAMMA if config.gamma is None else config.gamma
        floor = span.floor or 0.0
        if config.step_len is None:
            return cls(math.ceil(span.steps / STEP_PARTS), gamma, floor, span.steps)
        length = config.step_len * span.steps_per_epoch
        return cls(length, gamma, floor, span.steps, offset=span.warmup)

    def factor(self, step: int) -> float:
        return max(self.gamma ** ((step + self.offset) // self.length), self.floor)

    def corners(self) -> tuple[int, ...]:
        first = self.length - self.offset % self.length
        return tuple(range(first, self.steps, self.length))


@dataclass(frozen=True)
class MultiStep(Schedule):
    """gamma ** (milestones passed): torch's `MultiStepLR`.

    Milestones count from the start of the run, warm-up included, as in Goyal et al. 2017, section
    5.1 (https://arxiv.org/abs/1706.02677): 5 epochs of warm-up, drops after 30, 60 and 80.
    """

    milestones: tuple[int, ...]
    """Steps of the schedule, rising; those at or before 0 have been passed when it begins."""
    gamma: float
    floor: float

    options = ("warmup_epochs", "min_lr", "milestones", "gamma")
    corner = "drop"

    @classmethod
    def made(cls, config: TrainConfig, span: Span) -> Self:
        if config.milestones is None:
            run_steps = span.warmup + span.steps
            steps = [math.ceil(share * run_steps) - span.warmup for share in MILESTONE_SHARES]
        else:
            epochs = parse_milestones(config.milestones, config.epochs)
            steps = [span.after_epochs(epoch) for epoch in epochs]
        gamma = GAMMA if config.gamma is None else config.gamma
        return cls(tuple(steps), gamma, span.floor or 0.0)

    def factor(self, step: int) -> float:
        return max(self.gamma ** bisect_right(self.milestones, step), self.floor)

    def corners(self) -> tuple[int, ...]:
        return tuple(step for step in self.milestones if step > 0)


def parse_milestones(text: str, epochs: int) -> list[int]:
    """`30,60,80` as epochs of a run of `epochs`.

    Raises:
        UsageError: they are no whole numbers, don't rise, or lie outside the run.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() and len(word) < 10 for word in words):
        raise UsageError(f"--milestones: '{shown(text)}': expected whole epochs, as 30,60,80")
    milestones = [int(word) for word in words]
    if any(after <= before for before, after in pairwise(milestones)):
        raise UsageError(f"--milestones: {text}: each must come after the one before")
    if not (milestones[0] >= 1 and milestones[-1] < epochs):
        raise UsageError(
            f"--milestones: {text}: each must lie within the run: 1 to {epochs - 1} of its "
            f"{epochs} epochs"
        )
    return milestones
