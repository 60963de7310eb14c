"""Schedules against their papers' formulas and torch's own, and what all of them must keep."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import SGD, Optimizer
from torch.optim import lr_scheduler as torchs

from augcli.manifests.errors import UsageError
from augcli.train import config as configs
from augcli.train.config import TrainConfig
from augcli.train.optimizers import build_optimizer, set_lr
from augcli.train.run import train
from augcli.train.schedules import cosine, cyclic, drops, exponential, onecycle, plateau
from augcli.train.schedules.base import PlateauState
from augcli.train.schedules.registry import SCHEDULES, RunSchedule, build_schedule

PEAK = 0.4
SPE = 10
"""Steps per epoch."""
LENGTHS = [1, 2, 3, 4, 5, 7, 10, 33, 100, 1000]
VARIANTS: list[dict[str, Any]] = [
    *({"sched": name} for name in SCHEDULES),
    *({"sched": "cyclic", "cyclic_mode": mode} for mode in configs.CYCLIC_MODES),
    {"sched": "sgdr", "cycle_len": 1},
    {"sched": "sgdr", "cycle_len": 2, "cycle_mult": 1, "cycle_decay": 0.9},
    {"sched": "sgdr", "cycle_mult": 3},
    {"sched": "cyclic", "cycle_len": 1},
    {"sched": "step", "step_len": 1, "gamma": 0.9},
    {"sched": "exponential", "gamma": 0.8},
]


def made(epochs: int, steps_per_epoch: int = SPE, **options: Any) -> RunSchedule:
    """The schedule of a run, without warm-up unless it is asked for."""
    if "warmup_epochs" in SCHEDULES[options["sched"]].options:
        options.setdefault("warmup_epochs", 0)
    config = TrainConfig(lr=PEAK, opt="sgd", epochs=epochs, **options)
    return build_schedule(config, steps_per_epoch)


def ours(schedule: RunSchedule) -> list[float]:
    return [schedule.factor(step) for step in range(schedule.steps)]


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


def assert_torchs(schedule: RunSchedule, make: Callable[[Optimizer], Any]) -> None:
    assert ours(schedule) == pytest.approx(by_torch(make, schedule.steps), abs=1e-9)


@pytest.mark.parametrize("epochs", [3, 10, 100])
def test_step_is_torchs(epochs: int) -> None:
    length = math.ceil(epochs * SPE / 3)
    assert_torchs(made(epochs, sched="step"), lambda o: torchs.StepLR(o, length, gamma=0.1))
    assert_torchs(
        made(epochs, sched="step", step_len=2, gamma=0.3),
        lambda o: torchs.StepLR(o, 2 * SPE, gamma=0.3),
    )


def test_multistep_is_torchs() -> None:
    assert_torchs(
        made(100, sched="multistep", milestones="30, 60,80", gamma=0.2),
        lambda o: torchs.MultiStepLR(o, [300, 600, 800], gamma=0.2),
    )
    assert_torchs(made(8, sched="multistep"), lambda o: torchs.MultiStepLR(o, [40, 60]))


def test_exponential_is_torchs() -> None:
    schedule = made(20, sched="exponential", gamma=0.9)
    expected = by_torch(lambda o: torchs.ExponentialLR(o, gamma=0.9), 20)
    assert ours(schedule)[::SPE] == pytest.approx(expected)
    assert_torchs(schedule, lambda o: torchs.ExponentialLR(o, gamma=0.9 ** (1 / SPE)))
    assert made(20, sched="exponential").factor(199) == pytest.approx(0.01, rel=0.03)


@pytest.mark.parametrize("epochs", [1, 10, 99])
@pytest.mark.parametrize("min_lr", [None, 0.1])
def test_linear_is_torchs(epochs: int, min_lr: float | None) -> None:
    end, steps = (min_lr or 0) / PEAK, epochs * SPE
    assert_torchs(
        made(epochs, sched="linear", min_lr=min_lr),
        lambda o: torchs.LinearLR(o, start_factor=1.0, end_factor=end, total_iters=steps),
    )


@pytest.mark.parametrize("epochs", [1, 10, 99])
@pytest.mark.parametrize("min_lr", [None, 0.1])
def test_cosine_is_torchs(epochs: int, min_lr: float | None) -> None:
    assert_torchs(
        made(epochs, sched="cosine", min_lr=min_lr),
        lambda o: torchs.CosineAnnealingLR(o, T_max=epochs * SPE, eta_min=min_lr or 0),
    )


@pytest.mark.parametrize(("length", "mult"), [(1, 1), (1, 2), (3, 2), (2, 3), (50, 1)])
@pytest.mark.parametrize("min_lr", [None, 0.1])
def test_sgdr_is_torchs(length: int, mult: int, min_lr: float | None) -> None:
    assert_torchs(
        made(40, sched="sgdr", cycle_len=length, cycle_mult=mult, min_lr=min_lr),
        lambda o: torchs.CosineAnnealingWarmRestarts(o, length * SPE, mult, min_lr or 0),
    )


def test_sgdr_by_the_papers_equation_with_falling_peaks() -> None:
    """Equation 5, T_0 = 2 and T_mult = 2 epochs, eta_max times 0.8 after each restart."""
    schedule = made(14, sched="sgdr", cycle_len=2, cycle_mult=2, cycle_decay=0.8, min_lr=0.04)
    for start, length, peak in ((0, 2, 1.0), (2, 4, 0.8), (6, 8, 0.64)):
        for step in range(start * SPE, (start + length) * SPE):
            t_cur = step / SPE - start
            expected = 0.1 + 0.5 * (peak - 0.1) * (1 + math.cos(math.pi * t_cur / length))
            assert schedule.factor(step) == pytest.approx(expected)


def test_sgdr_has_the_epochs_of_fastai() -> None:
    """Three cycles of cycle_len=1, cycle_mult=2 are 1 + 2 + 4 epochs."""
    assert made(7, sched="sgdr", cycle_len=1, cycle_mult=2).cycle_ends() == (10, 30, 70)
    assert made(6, sched="sgdr", cycle_len=1, cycle_mult=2).cycle_ends() == (10, 30)
    config = TrainConfig(sched="sgdr", cycle_len=1, epochs=7)
    assert build_schedule(config, SPE).cycle_ends() == (10, 30, 70)


@pytest.mark.parametrize("mode", configs.CYCLIC_MODES)
@pytest.mark.parametrize("min_lr", [None, 0.02])
def test_cyclic_is_torchs(mode: str, min_lr: float | None) -> None:
    options: dict[str, Any] = {"gamma": 0.9} if mode == "exp_range" else {}
    base = 0.1 if min_lr is None else min_lr
    assert_torchs(
        made(30, sched="cyclic", cycle_len=4, cyclic_mode=mode, min_lr=min_lr, **options),
        lambda o: torchs.CyclicLR(
            o, base, PEAK, 2 * SPE, mode=mode, gamma=0.9 ** (1 / SPE), cycle_momentum=False
        ),
    )


def test_cyclic_by_the_papers_listing() -> None:
    """Section 3.1: cycle = floor(1 + t / (2 s)); x = |t / s - 2 cycle + 1|; max(0, 1 - x)."""
    schedule = made(30, sched="cyclic", cycle_len=4)
    stepsize = 2 * SPE
    for step in range(schedule.steps):
        cycle = math.floor(1 + step / (2 * stepsize))
        x = abs(step / stepsize - 2 * cycle + 1)
        assert schedule.factor(step) == pytest.approx(0.25 + 0.75 * max(0.0, 1 - x))


@pytest.mark.parametrize("steps", [10, 33, 1000])
def test_onecycle_is_torchs(steps: int) -> None:
    assert_torchs(
        made(1, steps, sched="onecycle"),
        lambda o: torchs.OneCycleLR(o, PEAK, total_steps=steps, cycle_momentum=False),
    )
    assert_torchs(
        made(1, steps, sched="onecycle", min_lr=PEAK / 250),
        lambda o: torchs.OneCycleLR(
            o, PEAK, total_steps=steps, cycle_momentum=False, final_div_factor=10
        ),
    )


LOSSES = [
    [2.0, 1.0, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.04, 0.03],
    [1.0] * 30,
    [1.0, 0.99995, 0.99985, 0.9998, 0.9, 0.91, 0.92, 0.93, 0.94, 0.89, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    [0.0] * 12,
    [3.0, 2.0, 2.5, 2.4, 1.99, 2.0, 2.0, 2.0, 1.98, 1.97, 2.1, 2.2, 2.3, 2.4, 1.0, 1.1, 1.2, 1.3],
]


@pytest.mark.parametrize("losses", LOSSES)
@pytest.mark.parametrize("patience", [0, 1, 3])
def test_plateau_is_torchs(losses: list[float], patience: int) -> None:
    options = {"sched": "plateau", "patience": patience, "gamma": 0.3, "min_lr": 0.004}
    schedule = made(len(losses), **options)
    optimizer = SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    scheduler = torchs.ReduceLROnPlateau(optimizer, factor=0.3, patience=patience, min_lr=0.004)
    state = PlateauState()
    for epoch, loss in enumerate(losses):
        expected = optimizer.param_groups[0]["lr"] / PEAK
        assert schedule.factor(epoch * SPE, state) == pytest.approx(expected)
        optimizer.step()
        scheduler.step(loss)
        state = schedule.after_epoch(state, loss)
    assert schedule.after_epochs(losses) == state


def test_warmup_is_torchs() -> None:
    schedule = build_schedule(TrainConfig(sched="constant", epochs=10), SPE)
    expected = by_torch(lambda o: torchs.LinearLR(o, 1 / 6, 1.0, total_iters=5), 100)
    assert ours(schedule) == pytest.approx(expected)


def test_warmup_is_five_percent_and_at_most_five_epochs() -> None:
    def warmup(epochs: int, steps_per_epoch: int, **options: Any) -> int:
        config = TrainConfig(sched="cosine", epochs=epochs, **options)
        return build_schedule(config, steps_per_epoch).warmup

    assert warmup(20, 10) == 10
    assert warmup(19, 1) == 0
    assert warmup(1000, 10) == 50
    assert warmup(20, 10, warmup_epochs=2.5) == 25
    assert warmup(20, 10, warmup_epochs=0) == 0
    assert warmup(1, 10, warmup_epochs=0.99) == 9


def test_after_warmup_the_schedule_has_the_rest_of_the_run() -> None:
    whole = made(10, sched="cosine", warmup_epochs=1)
    assert ours(whole)[SPE:] == ours(made(9, sched="cosine"))
    assert whole.cycle_ends() == (100,)


def test_drops_whose_epochs_are_given_count_from_the_start_of_the_run() -> None:
    """As in Goyal et al. 2017: warm-up for 5 epochs, drops after 30, 60 and 80."""
    goyal = made(90, sched="multistep", milestones="30,60,80", warmup_epochs=5)
    assert goyal.corners() == (300, 600, 800)
    assert goyal.factor(299) == 1.0 and goyal.factor(300) == pytest.approx(0.1)
    steps = made(90, sched="step", step_len=30, warmup_epochs=5)
    assert steps.corners() == (300, 600)
    assert steps.factor(299) == 1.0 and steps.factor(300) == pytest.approx(0.1)


def test_a_drop_within_the_warmup_is_no_jump() -> None:
    factors = ours(made(10, sched="multistep", milestones="1,5", warmup_epochs=2))
    assert factors[:50] == sorted(factors[:50]) and factors[49] == pytest.approx(0.1)


@pytest.mark.parametrize("options", VARIANTS, ids=str)
@pytest.mark.parametrize("steps", LENGTHS)
def test_factors_are_finite_and_within_bounds(options: dict[str, Any], steps: int) -> None:
    for steps_per_epoch in {1, steps}:
        config = TrainConfig(epochs=steps // steps_per_epoch, **options)
        factors = ours(build_schedule(config, steps_per_epoch))
        assert all(math.isfinite(f) and 0.0 <= f <= 1.0 for f in factors)
        # A run in which nothing could be learnt would be a mistake in the schedule.
        assert max(factors) > 0.5


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_long_runs(options: dict[str, Any]) -> None:
    schedule = build_schedule(TrainConfig(epochs=1000, **options), 10**5)
    steps = 10**8
    for step in (0, 1, steps // 3, steps // 2, steps - 2, steps - 1):
        assert 0.0 <= schedule.factor(step) <= 1.0


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_pure(options: dict[str, Any]) -> None:
    schedule = build_schedule(TrainConfig(epochs=5, **options), SPE)
    forward = ours(schedule)
    assert [schedule.factor(step) for step in reversed(range(50))] == forward[::-1]


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_the_floor_is_the_same_share_for_every_group(options: dict[str, Any]) -> None:
    if options["sched"] == "constant":
        return
    config = TrainConfig(epochs=20, opt="sgd", lr=PEAK, min_lr=PEAK / 5, **options)
    schedule = build_schedule(config, SPE)
    groups = [
        {"params": [torch.nn.Parameter(torch.zeros(1))], "lr": p, "peak_lr": p, "weight_decay": 0.0}
        for p in (PEAK, PEAK / 10)
    ]
    optimizer = build_optimizer("sgd", groups)
    for step in range(schedule.warmup, schedule.steps):
        set_lr(optimizer, schedule.factor(step))
        first, second = (group["lr"] for group in optimizer.param_groups)
        assert PEAK / 5 - 1e-12 <= first <= PEAK
        assert second == pytest.approx(first / 10)


@pytest.mark.parametrize(
    "name", ["constant", "step", "multistep", "exponential", "linear", "cosine"]
)
def test_rises_to_one_peak_and_never_again(name: str) -> None:
    factors = ours(build_schedule(TrainConfig(sched=name, epochs=20), SPE))
    peak = factors.index(max(factors))
    assert factors[peak] == pytest.approx(1.0)
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    assert factors[0] < 0.5


@pytest.mark.parametrize("options", VARIANTS, ids=str)
@pytest.mark.parametrize("epochs", [1, 3, 21, 40])
def test_cycles_end_low_and_corners_are_where_the_curve_turns(
    options: dict[str, Any], epochs: int
) -> None:
    schedule = build_schedule(TrainConfig(epochs=epochs, **options), SPE)
    ends = schedule.cycle_ends()
    assert list(ends) == sorted(set(ends)) and all(0 < end <= schedule.steps for end in ends)
    factors = ours(schedule)
    for start, end in zip((schedule.warmup, *ends), ends, strict=False):
        # sgdr's last step is the lowest; cyclic is at its base in the step that comes next.
        if end < schedule.steps:
            assert min(factors[end - 1 : end + 1]) == min(factors[start : end + 1])
    corners = schedule.corners()
    assert list(corners) == sorted(set(corners))
    assert all(0 < corner < schedule.steps for corner in corners)
    rising = [after > before for before, after in pairwise(factors)]
    for step in range(schedule.warmup + 1, len(rising)):
        if rising[step] != rising[step - 1] and options["sched"] in ("sgdr", "cyclic", "onecycle"):
            assert {step, step + 1} & set(corners)


def test_without_a_length_three_cycles_fill_the_run() -> None:
    assert made(7, sched="sgdr").cycle_ends() == (10, 30, 70)
    assert made(6, sched="cyclic").cycle_ends() == (20, 40, 60)
    config = TrainConfig(sched="sgdr", epochs=30)
    schedule = build_schedule(config, SPE)
    assert schedule.warmup == 15 and schedule.cycle_ends()[-1] == 300


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sched": "cosinus"}, r"unknown schedule 'cosinus'.*cosine"),
        ({"sched": "cosine", "cycle_len": 2}, "--cycle-len goes with --sched sgdr, cyclic; not"),
        ({"sched": "onecycle", "warmup_epochs": 1.0}, r"--warmup-epochs goes with .*; not onecyc"),
        ({"sched": "constant", "min_lr": 0.0}, "--min-lr goes with .*; not constant"),
        ({"sched": "step", "milestones": "3"}, "--milestones goes with --sched multistep; not st"),
        ({"sched": "sgdr", "patience": 3}, "--patience goes with --sched plateau; not sgdr"),
        ({"sched": "cyclic", "cycle_mult": 2}, "--cycle-mult goes with --sched sgdr; not cyclic"),
        ({"sched": "cyclic", "gamma": 0.9}, "--gamma goes with --cyclic-mode exp_range, not"),
        ({"sched": "cosine", "warmup_epochs": 30.0}, "--warmup-epochs: 30 leaves nothing of the"),
        ({"sched": "cosine", "min_lr": 1.0}, "--min-lr: 1 is above the peak learning rate, 0.08"),
        ({"sched": "multistep", "milestones": "a"}, "--milestones: 'a': expected whole epochs"),
        ({"sched": "multistep", "milestones": "3,,4"}, "expected whole epochs"),
        ({"sched": "multistep", "milestones": "4,3"}, "each must come after the one before"),
        ({"sched": "multistep", "milestones": "0,3"}, "must lie within the run: 1 to 29"),
        ({"sched": "multistep", "milestones": "3,30"}, "must lie within the run: 1 to 29"),
        ({"sched": "sgdr", "cycle_decay": 1.5}, "--cycle-decay: 1.5 is too large"),
        ({"sched": "cyclic", "cyclic_mode": "square"}, "--cyclic-mode: unknown 'square'"),
    ],
)
def test_what_does_not_go_is_named_before_anything_is_opened(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    config = TrainConfig(data=str(tmp_path / "nothing"), out=tmp_path / "run", **options)
    if options["sched"] not in SCHEDULES:
        with pytest.raises(UsageError, match=message):
            build_schedule(config, 1)
    else:
        with pytest.raises(UsageError, match=message):
            train(config)
    assert not (tmp_path / "run").exists()


def test_the_command_line_offers_what_is_registered() -> None:
    assert tuple(SCHEDULES) == configs.SCHEDULES
    fields = {field.name for field in dataclasses.fields(TrainConfig)}
    assert all(set(schedule.options) <= fields for schedule in SCHEDULES.values())


def test_the_help_tells_the_defaults_that_there_are() -> None:
    fields = dataclasses.fields(TrainConfig)
    shown = {field.name: str(field.metadata["shown_default"]) for field in fields}
    assert shown["cycle_mult"] == str(cosine.CYCLE_MULT)
    assert shown["cycle_decay"] == f"{cosine.CYCLE_DECAY:g}"
    assert shown["patience"] == str(plateau.PATIENCE)
    assert shown["cyclic_mode"] == configs.CYCLIC_MODES[0]
    assert tuple(cyclic.AMPLITUDES) == configs.CYCLIC_MODES
    assert f"peak / {1 / cyclic.BASE_FACTOR:g};" in shown["min_lr"]
    assert shown["min_lr"].endswith(f"peak / {1 / onecycle.END_FACTOR:g}")
    assert f"{drops.GAMMA} a drop" in shown["gamma"]
    assert f"{exponential.END_FACTOR} (exponential)" in shown["gamma"]
    assert f"{cyclic.RANGE_END_FACTOR} (exp_range)" in shown["gamma"]
