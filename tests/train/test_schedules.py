"""Schedules against torch's own, and what all of them must keep."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import SGD, Optimizer
from torch.optim import lr_scheduler as torchs

from augcli.manifests.errors import UsageError
from augcli.train import config
from augcli.train.schedules import SCHEDULES, build_schedule, warmup_steps

PEAK = 0.4
LENGTHS = [1, 2, 3, 4, 5, 7, 10, 33, 100, 1000]


def by_torch(make: Callable[[Optimizer], Any], steps: int) -> list[float]:
    """The learning rates that a scheduler of torch gives the steps of a run, over the peak."""
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    scheduler = make(optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"] / PEAK)
        optimizer.step()
        scheduler.step()
    return rates


def ours(name: str, steps: int) -> list[float]:
    """The factors of the schedule without warm-up."""
    return [SCHEDULES[name].factor(step, steps) for step in range(steps)]


@pytest.mark.parametrize("steps", [1, 10, 99])
def test_cosine_is_torchs(steps: int) -> None:
    expected = by_torch(lambda o: torchs.CosineAnnealingLR(o, T_max=steps), steps)
    assert ours("cosine", steps) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("steps", [3, 10, 99, 100])
def test_step_is_torchs(steps: int) -> None:
    length = math.ceil(steps / 3)
    expected = by_torch(lambda o: torchs.StepLR(o, step_size=length, gamma=0.1), steps)
    assert ours("step", steps) == pytest.approx(expected)


@pytest.mark.parametrize("steps", [10, 33, 1000])
def test_onecycle_is_torchs(steps: int) -> None:
    expected = by_torch(
        lambda o: torchs.OneCycleLR(o, max_lr=PEAK, total_steps=steps, cycle_momentum=False),
        steps,
    )
    assert ours("onecycle", steps) == pytest.approx(expected, abs=1e-9)


def test_warmup_is_torchs() -> None:
    factor = build_schedule("constant", steps=100, steps_per_epoch=10)
    expected = by_torch(lambda o: torchs.LinearLR(o, 1 / 6, 1.0, total_iters=5), 100)
    assert [factor(step) for step in range(100)] == pytest.approx(expected)


def test_warmup_is_five_percent_and_at_most_five_epochs() -> None:
    assert warmup_steps(200, steps_per_epoch=10) == 10
    assert warmup_steps(19, steps_per_epoch=1) == 0
    assert warmup_steps(10_000, steps_per_epoch=10) == 50


def test_after_warmup_the_schedule_has_the_rest_of_the_run() -> None:
    factor = build_schedule("cosine", steps=100, steps_per_epoch=10)
    assert [factor(step) for step in range(5, 100)] == ours("cosine", 95)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", LENGTHS)
def test_factors_are_finite_and_within_bounds(name: str, steps: int) -> None:
    for steps_per_epoch in (1, steps):
        factor = build_schedule(name, steps, steps_per_epoch)
        factors = [factor(step) for step in range(steps)]
        assert all(math.isfinite(f) and 0.0 <= f <= 1.0 for f in factors)
        # A run in which nothing could be learnt would be a mistake in the schedule.
        assert max(factors) > 0.5


@pytest.mark.parametrize("name", SCHEDULES)
def test_long_runs(name: str) -> None:
    steps = 10**8
    factor = build_schedule(name, steps, steps_per_epoch=10**5)
    for step in (0, 1, steps // 3, steps // 2, steps - 2, steps - 1):
        assert 0.0 <= factor(step) <= 1.0


@pytest.mark.parametrize("name", SCHEDULES)
def test_pure(name: str) -> None:
    factor = build_schedule(name, 50, 5)
    forward = [factor(step) for step in range(50)]
    assert [factor(step) for step in reversed(range(50))] == forward[::-1]


@pytest.mark.parametrize("name", SCHEDULES)
def test_rises_to_one_peak_and_never_again(name: str) -> None:
    factor = build_schedule(name, 200, 10)
    factors = [factor(step) for step in range(200)]
    peak = factors.index(max(factors))
    assert factors[peak] == pytest.approx(1.0)
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    assert factors[0] < 0.5


def test_the_command_line_offers_what_is_registered() -> None:
    assert tuple(SCHEDULES) == config.SCHEDULES


def test_unknown_name() -> None:
    with pytest.raises(UsageError, match=r"unknown schedule 'cosinus'.*cosine"):
        build_schedule("cosinus", 10, 1)
