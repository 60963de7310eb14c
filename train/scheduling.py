"""`augcli schedule`: the learning rate over a run that has not begun."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, repeat
from pathlib import Path
from typing import Any

import numpy as np

from augcli.augment.config import DEFAULT_DATASET
from augcli.augment.reference_data import load_reference
from augcli.manifests.errors import AugcliError, UsageError, unknown_name
from augcli.manifests.manifest import read_manifest
from augcli.manifests.settings import check_settings, option_name
from augcli.train.config import SCHEDULES, ScheduleConfig, TrainConfig
from augcli.train.optimizers import optimiser_of, resolve_lr
from augcli.train.order import Batching
from augcli.train.schedules.base import NOTHING_SEEN
from augcli.train.schedules.registry import SCHEDULES as METHODS
from augcli.train.schedules.registry import RunSchedule, build_schedule, own_options

ALL = "all"
COUNTED_BY = ("samples", "shards", "data")
MAX_POINTS = 4000
"""More than a picture has columns: a longer run is looked at in so many places, and at corners."""


@dataclass(frozen=True)
class Curve:
    """Some steps of a run, rising, and the learning rate of the first parameter group at each."""

    steps: tuple[int, ...]
    rates: tuple[float, ...]


@dataclass(frozen=True)
class Forecast:
    """One schedule over the run."""

    name: str
    schedule: RunSchedule
    peak_lr: float
    """The learning rate that a factor of 1 stands for."""

    @cached_property
    def curve(self) -> Curve:
        """Every step, or of a long run as many as show its shape; before `plateau` drops."""
        steps = tuple(self._shown_steps())
        return Curve(steps, tuple(self.peak_lr * self.schedule.factor(step) for step in steps))

    @cached_property
    def earliest(self) -> Curve | None:
        """What `plateau` makes of validation that never gets better; None for the others."""
        run = self.schedule
        states = [*accumulate(repeat(1.0, self._epochs), run.after_epoch, initial=NOTHING_SEEN)]
        if states[-1] == NOTHING_SEEN:
            return None
        edges = {epoch * run.steps_per_epoch - 1 for epoch in range(1, self._epochs)}
        steps = sorted({*self.curve.steps, *edges, *(edge + 1 for edge in edges)})
        rates = [run.factor(step, states[step // run.steps_per_epoch]) for step in steps]
        return Curve(tuple(steps), tuple(self.peak_lr * rate for rate in rates))

    def epoch_of(self, step: int) -> float:
        """How many epochs `step` steps are."""
        return step / self.schedule.steps_per_epoch

    @property
    def cut_off(self) -> bool:
        """Whether the run ends within a cycle."""
        return self._has_cycles and self.schedule.cycle_ends()[-1:] != (self.schedule.steps,)

    def to_json(self) -> dict[str, Any]:
        """Its key figures; steps count from 0, the ends of cycles are numbers of steps done."""
        run, rates = self.schedule, self.curve.rates
        return {
            "sched": self.name,
            "warmup_steps": run.warmup,
            "first_lr": rates[0],
            "peak_lr": max(rates),
            "last_lr": rates[-1],
            f"{run.schedule.corner}s": list(run.corners()),
            "cycle_ends": list(run.cycle_ends()),
        }

    @property
    def _epochs(self) -> int:
        return self.schedule.steps // self.schedule.steps_per_epoch

    @property
    def _has_cycles(self) -> bool:
        return "cycle_len" in METHODS[self.name].options

    def _shown_steps(self) -> Iterator[int]:
        run = self.schedule
        spread = np.linspace(0, run.steps - 1, min(run.steps, MAX_POINTS)).round().astype(int)
        near = (place + by for place in (run.warmup, *run.corners()) for by in (-1, 0))
        yield from sorted({*spread.tolist(), *(step for step in near if 0 <= step < run.steps)})


@dataclass(frozen=True)
class ScheduleResult:
    """What was asked for, step by step."""

    epochs: int
    batch_size: int
    samples: int
    steps_per_epoch: int
    forecasts: tuple[Forecast, ...]
    plot: Path | None

    @property
    def steps(self) -> int:
        """Steps of the run."""
        return self.epochs * self.steps_per_epoch

    def to_json(self) -> dict[str, Any]:
        """The object of `--json`."""
        return {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "samples": self.samples,
            "steps_per_epoch": self.steps_per_epoch,
            "steps": self.steps,
            "schedules": [forecast.to_json() for forecast in self.forecasts],
            "plot": None if self.plot is None else str(self.plot),
        }


def schedule(config: ScheduleConfig) -> ScheduleResult:
    """Work out the learning rate of a run, and draw it into `config.plot`.

    Raises:
        UsageError: bad options, or nothing that says how many samples there are.
        AugcliError: a dataset that can't be read, or a picture that can't be written.
    """
    config = check_settings(config)
    asked = [_of_training(config, name) for name in _names(config)]
    samples = _samples(config)
    steps_per_epoch = Batching(samples, config.batch_size).batches
    forecasts = tuple(
        Forecast(
            one.sched,
            build_schedule(one, steps_per_epoch),
            resolve_lr(optimiser_of(one), one.lr, one.lrs),
        )
        for one in asked
    )
    result = ScheduleResult(
        epochs=config.epochs,
        batch_size=config.batch_size,
        samples=samples,
        steps_per_epoch=steps_per_epoch,
        forecasts=forecasts,
        plot=config.plot,
    )
    if config.plot is not None:
        _draw(config.plot, result)
    return result


def _draw(path: Path, result: ScheduleResult) -> None:
    from augcli.train.schedule_picture import draw_schedules

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_schedules(path, result)
    except OSError as error:
        raise AugcliError(f"{path}: can't be written: {error.strerror or error}") from error


def _names(config: ScheduleConfig) -> list[str]:
    """The schedules asked for, each once, in their order."""
    names = [name.strip() for name in config.sched.split(",")]
    if names == [ALL]:
        return list(SCHEDULES)
    for name in names:
        if name not in SCHEDULES:
            raise unknown_name("schedule", name, (*SCHEDULES, ALL))
    return list(dict.fromkeys(names))


def _of_training(config: ScheduleConfig, name: str) -> TrainConfig:
    """The training that would have the schedule `name`, with the options that go with it.

    With several schedules each takes its own; an option that goes with none is refused.
    """
    of_training = {field.name for field in dataclasses.fields(TrainConfig)}
    values = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if field.name in of_training
    }
    return own_options(TrainConfig(**{**values, "sched": name}), _names(config))


def _samples(config: ScheduleConfig) -> int:
    """The training samples of an epoch."""
    given = [name for name in COUNTED_BY if getattr(config, name) is not None]
    if len(given) > 1:
        named = " and ".join(map(option_name, given))
        raise UsageError(f"{named} both say how many samples there are: give one of them")
    if config.samples is not None:
        return config.samples
    if config.data is not None:
        return len(load_reference(config.data).of_split("train"))
    if config.shards is None and not DEFAULT_DATASET.exists():
        raise UsageError(
            f"how many samples an epoch has is not known, and there is no {DEFAULT_DATASET}: give "
            "--samples N, --shards DIR or --data DIR"
        )
    return read_manifest(config.shards or DEFAULT_DATASET).splits["train"].views_per_round
