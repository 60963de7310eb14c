"""Learning-rate schedules: pure functions of the step.

A schedule maps (step, steps), 0 <= step < steps, to a factor in [0, 1]; every parameter group's
learning rate is that factor times the group's own peak. To add one, add one entry to `SCHEDULES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from augcli.manifests.errors import unknown_name

Factor = Callable[[int, int], float]
"""f(step, steps) in [0, 1]."""

WARMUP_SHARE = 0.05
WARMUP_MAX_EPOCHS = 5


def constant(step: int, steps: int) -> float:
    """1 throughout."""
    return 1.0


def step_decay(step: int, steps: int, drops: int = 2, gamma: float = 0.1) -> float:
    """gamma ** floor(step / length): `drops` drops, after equal lengths of the run.

    He et al. 2016, section 4.2 (https://arxiv.org/abs/1512.03385), divide by 10 in this way;
    the formula is torch's `StepLR`.
    """
    length = math.ceil(steps / (drops + 1))
    return float(gamma ** (step // length))


def cosine(step: int, steps: int) -> float:
    """(1 + cos(pi * step / steps)) / 2, from 1 down to almost 0, without restarts.

    Loshchilov and Hutter 2017, SGDR, equation 5, https://arxiv.org/abs/1608.03983.
    """
    return 0.5 * (1.0 + math.cos(math.pi * step / steps))


def onecycle(
    step: int,
    steps: int,
    rise_share: float = 0.3,
    start_factor: float = 1 / 25,
    end_factor: float = 1 / 25e4,
) -> float:
    """Up from 1/25 to 1 over the first 30 % of the run, then down to 1/250,000, both by cosine.

    Smith and Topin 2018, https://arxiv.org/abs/1708.07120, in fast.ai's form with cosine instead
    of straight lines, which is torch's `OneCycleLR`. Momentum stays as it is.
    """
    peak = rise_share * steps - 1
    if peak > 0 and step <= peak:
        return _cosine_between(start_factor, 1.0, step / peak)
    # A run too short to rise starts at the peak.
    peak = max(peak, 0.0)
    return _cosine_between(1.0, end_factor, (step - peak) / max(steps - 1 - peak, 1.0))


def _cosine_between(start: float, end: float, share: float) -> float:
    """From `start` at share 0 to `end` at share 1, flat at both ends."""
    return end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * share))


@dataclass(frozen=True)
class Schedule:
    """A schedule and what must be known to use it."""

    factor: Factor
    own_warmup: bool = False
    """Whether it starts low by itself, so that no linear warm-up goes before it."""


SCHEDULES: dict[str, Schedule] = {
    "constant": Schedule(constant),
    "step": Schedule(step_decay),
    "cosine": Schedule(cosine),
    "onecycle": Schedule(onecycle, own_warmup=True),
}


def warmup_steps(steps: int, steps_per_epoch: int) -> int:
    """The length of warm-up: the first 5 % of the steps, at most 5 epochs."""
    return min(int(WARMUP_SHARE * steps), WARMUP_MAX_EPOCHS * steps_per_epoch)


def build_schedule(name: str, steps: int, steps_per_epoch: int) -> Callable[[int], float]:
    """The factor by step of a run of `steps`: the schedule `name`, after a linear warm-up.

    Warm-up adds a straight line from 1 / (n + 1) towards 1 in front (Goyal et al. 2017,
    section 2.2, https://arxiv.org/abs/1706.02677) and the schedule takes the steps that remain.

    Raises:
        UsageError: an unknown name.
    """
    if name not in SCHEDULES:
        raise unknown_name("schedule", name, SCHEDULES)
    schedule = SCHEDULES[name]
    warmup = 0 if schedule.own_warmup else warmup_steps(steps, steps_per_epoch)

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        return schedule.factor(step - warmup, steps - warmup)

    return factor
