"""Schedules by name, and the one that a run asks for, behind its warm-up.

To add a schedule, write its file, add one entry to `SCHEDULES`, and its name to the config's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from augcli.manifests.errors import UsageError, unknown_name
from augcli.manifests.settings import option_name
from augcli.train.config import AUTO_LR, TrainConfig
from augcli.train.optimizers import optimiser_of, resolve_lr
from augcli.train.schedules.base import NOTHING_SEEN, PlateauState, Schedule, Span
from augcli.train.schedules.constant import Constant
from augcli.train.schedules.cosine import Cosine, Restarts
from augcli.train.schedules.cyclic import Cyclic
from augcli.train.schedules.drops import MultiStep, Step
from augcli.train.schedules.exponential import Exponential
from augcli.train.schedules.linear import Linear
from augcli.train.schedules.onecycle import OneCycle
from augcli.train.schedules.plateau import Plateau

SCHEDULES: dict[str, type[Schedule]] = {
    "constant": Constant,
    "step": Step,
    "multistep": MultiStep,
    "exponential": Exponential,
    "linear": Linear,
    "cosine": Cosine,
    "sgdr": Restarts,
    "cyclic": Cyclic,
    "onecycle": OneCycle,
    "plateau": Plateau,
}

SCHEDULE_OPTIONS = tuple(
    dict.fromkeys(name for schedule in SCHEDULES.values() for name in schedule.options)
)
"""All fields of the config that go with some schedules and not with others."""

WARMUP_SHARE = 0.05
WARMUP_MAX_EPOCHS = 5


@dataclass(frozen=True)
class RunSchedule:
    """The factor by step over a whole run: a linear warm-up, then a schedule."""

    steps: int
    steps_per_epoch: int
    warmup: int
    """Steps of warm-up."""
    schedule: Schedule

    def factor(self, step: int, state: PlateauState = NOTHING_SEEN) -> float:
        """The factor, 0..1, of `step` of the run, from 0, after what `plateau` has seen.

        Warm-up is a straight line from 1 / (n + 1) towards 1 (Goyal et al. 2017, section 2.2,
        https://arxiv.org/abs/1706.02677) times where the schedule begins.
        """
        rise = min(1.0, (step + 1) / (self.warmup + 1))
        return rise * self.schedule.factor(max(0, step - self.warmup)) * state.factor

    def after_epoch(self, state: PlateauState, validation_loss: float | None) -> PlateauState:
        """What `plateau` has seen after one more epoch."""
        return self.schedule.after_epoch(state, validation_loss)

    def after_epochs(self, validation_losses: Iterable[float | None]) -> PlateauState:
        """What `plateau` has seen after the epochs that ended with these losses."""
        state = NOTHING_SEEN
        for loss in validation_losses:
            state = self.after_epoch(state, loss)
        return state

    def cycle_ends(self) -> tuple[int, ...]:
        """After how many steps of the run each whole cycle ends: where a snapshot is due.

        linear, cosine and onecycle are one cycle; sgdr and cyclic have several, the last of which
        may be cut off by the end of the run; the others have none.
        """
        return tuple(self.warmup + end for end in self.schedule.cycle_ends())

    def corners(self) -> tuple[int, ...]:
        """Steps of the run at which the schedule jumps or turns round."""
        return tuple(self.warmup + step for step in self.schedule.corners())


def foreign_options(config: TrainConfig) -> set[str]:
    """The options that go with other schedules than the one of `config`."""
    foreign = set(SCHEDULE_OPTIONS) - set(SCHEDULES[config.sched].options)
    if config.sched == "cyclic" and config.cyclic_mode != "exp_range":
        foreign.add("gamma")
    return foreign


def own_options(config: TrainConfig, schedules: Collection[str]) -> TrainConfig:
    """Of several trainings, each with one of `schedules`: `config` with the options of its own.

    An option that goes with none of them stays, to be refused.
    """
    others = [name for name in schedules if name != config.sched]
    theirs = {option for name in others for option in SCHEDULES[name].options}
    if others and config.sched == "cyclic":
        theirs.add("gamma")
    dropped: dict[str, Any] = dict.fromkeys(foreign_options(config) & theirs)
    return dataclasses.replace(config, **dropped)


def check_schedule(config: TrainConfig) -> None:
    """Find what is wrong with the schedule that is asked for, before anything is opened.

    Raises:
        UsageError: as `build_schedule`, but for what validation and batches decide, or a learning
            rate that is yet to be found.
    """
    if config.lr == AUTO_LR:
        config = dataclasses.replace(config, lr=None, min_lr=None)
    build_schedule(config, steps_per_epoch=1)


def build_schedule(
    config: TrainConfig, steps_per_epoch: int, *, validated: bool = True
) -> RunSchedule:
    """The schedule of a run: `config.sched`, after its warm-up.

    `validated` says whether there is a validation split.

    Raises:
        UsageError: an unknown name, an option that doesn't go with it or with the run, or
            `plateau` without validation.
    """
    if config.sched not in SCHEDULES:
        raise unknown_name("schedule", config.sched, SCHEDULES)
    method = SCHEDULES[config.sched]
    _check_options(config)
    if method is Plateau and not validated:
        raise UsageError(
            "--sched plateau follows the validation loss, and there are no validation images: "
            "take another schedule"
        )
    steps = config.epochs * steps_per_epoch
    warmup = 0 if method.own_warmup else _warmup_steps(config, steps, steps_per_epoch)
    span = Span(steps - warmup, steps_per_epoch, warmup, _floor(config))
    return RunSchedule(steps, steps_per_epoch, warmup, method.made(config, span))


def _check_options(config: TrainConfig) -> None:
    for name in SCHEDULE_OPTIONS:
        if getattr(config, name) is not None and name not in SCHEDULES[config.sched].options:
            which = ", ".join(k for k, method in SCHEDULES.items() if name in method.options)
            raise UsageError(f"{option_name(name)} goes with --sched {which}; not {config.sched}")


def _warmup_steps(config: TrainConfig, steps: int, steps_per_epoch: int) -> int:
    """As many epochs as asked for; else the first 5 % of the steps, at most 5 epochs.

    Cycles whose length is given fill whole epochs, as in fast.ai: nothing goes before them unless
    it is asked for.
    """
    epochs = config.warmup_epochs
    if epochs is None:
        if config.cycle_len is not None:
            return 0
        return min(int(WARMUP_SHARE * steps), WARMUP_MAX_EPOCHS * steps_per_epoch)
    if epochs >= config.epochs:
        raise UsageError(
            f"--warmup-epochs: {epochs:g} leaves nothing of the {config.epochs} epochs: take fewer"
        )
    return min(round(epochs * steps_per_epoch), steps - 1)


def _floor(config: TrainConfig) -> float | None:
    """`--min-lr` as a share of the peak, so that every group has the same share of its own."""
    if config.min_lr is None:
        return None
    peak = resolve_lr(optimiser_of(config), config.lr, config.lrs)
    if config.min_lr > peak:
        raise UsageError(
            f"--min-lr: {config.min_lr:g} is above the peak learning rate, {peak:g}: give a lower "
            "one, or a higher --lr"
        )
    return config.min_lr / peak if peak else 0.0
