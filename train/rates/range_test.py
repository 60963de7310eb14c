"""The range test: a few steps at rising learning rates, on a copy of the model and its optimiser.

The loss that the rules see is fast.ai's: an exponential average, corrected for its beginning, and
the test ends early when that has risen to four times its lowest.
"""

from __future__ import annotations

import copy
import itertools
import math
import signal
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer

from augcli.manifests.errors import AugcliError, Interrupted, UsageError
from augcli.train.alteration import Alteration
from augcli.train.batch import Batch, Source
from augcli.train.exchange import Exchange
from augcli.train.feeding import batches_on
from augcli.train.forward import Forward
from augcli.train.optimizers import set_lr
from augcli.train.random_state import own_random_state
from augcli.train.rates.config import RULE_NAMES, SWEEPS, LrFindConfig
from augcli.train.rates.rules import Suggestion, suggest
from augcli.train.step import Alter, Step, StepRules
from augcli.train.stop import StopRequest
from augcli.train.together import Together

SMOOTHING = 0.98
CHANCE = 2.0
"""Standard errors that a fall may have by chance."""
"""Share of the average so far in the next one."""
DIVERGED = 4.0
"""Times its lowest value so far, the smoothed loss ends the test."""

EXPONENTIAL, LINEAR = SWEEPS

Shown = tuple[Batch, Alter]
"""A training batch, and what its residual policy does to it."""
Report = Callable[[int, int, float], None]
"""Hears how many steps are done, of how many, and the loss of the last one."""


@dataclass(frozen=True)
class Sweep:
    """The learning rates of a test: so many steps from the first rate to the last, both included.

    They are those of `--lr`; layer groups with other peaks keep their proportion to it.
    """

    start: float = LrFindConfig.start_lr
    end: float = LrFindConfig.end_lr
    steps: int = LrFindConfig.steps
    kind: str = LrFindConfig.sweep
    """`exponential`: each rate is the same multiple of the last; `linear`: the same amount more."""

    def __post_init__(self) -> None:
        if not self.start < self.end:
            raise UsageError(
                f"--start-lr {self.start:g} and --end-lr {self.end:g}: the rates of a test rise: "
                "the last must be above the first"
            )

    def rate(self, step: int) -> float:
        """The learning rate of a step, from 0."""
        share = step / (self.steps - 1)
        if self.kind == LINEAR:
            return self.start + (self.end - self.start) * share
        return self.start * math.pow(self.end / self.start, share)


@dataclass(frozen=True)
class RangeTest:
    """What a test saw, step by step, as far as it went."""

    sweep: Sweep
    rates: tuple[float, ...]
    losses: tuple[float, ...]
    """Mean cross-entropy of each step's batch before the step, in nats, as training reports it."""
    smoothed: tuple[float, ...]
    """The average of the losses so far."""
    diverged: str | None
    """Why the test ended before its last step."""
    suggestions: dict[str, Suggestion] = field(default_factory=dict)
    """By the rule's name."""

    def pick(self, rule: str) -> tuple[str, float]:
        """The rule, or the next best one where it finds nothing, and its rate in two digits.

        Raises:
            AugcliError: no rule finds a rate.
        """
        for name in (rule, *RULE_NAMES):
            rate = self.suggestions[name].rate
            if rate is not None:
                return name, float(f"{rate:.2g}")
        reasons = "; ".join(f"{name}: {said.reason}" for name, said in self.suggestions.items())
        raise AugcliError(f"the range test finds no learning rate: {reasons}")

    def falls_after(self, rate: float) -> bool:
        """Whether the smoothed loss falls further after `rate` than by chance.

        That is twice the standard error of the difference between there and its lowest value after:
        an average of independent batches, whose losses spread as those of neighbours differ.
        """
        smoothed, losses = np.asarray(self.smoothed), np.asarray(self.losses)
        place = min(int(np.searchsorted(self.rates, rate)), len(smoothed) - 1)
        lowest = place + int(smoothed[place:].argmin())
        if lowest == place:
            return False
        spread = float(np.diff(losses[: lowest + 1]).std()) / math.sqrt(2)
        error = spread * math.hypot(_standard_error(place + 1), _standard_error(lowest + 1))
        return bool(smoothed[place] - smoothed[lowest] > CHANCE * error)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "start_lr": self.sweep.start,
            "end_lr": self.sweep.end,
            "steps": self.sweep.steps,
            "sweep": self.sweep.kind,
            "diverged": self.diverged,
            "suggestions": {name: said.rate for name, said in self.suggestions.items()},
            "reasons": {name: s.reason for name, s in self.suggestions.items() if s.rate is None},
            "rates": list(self.rates),
            "losses": list(self.losses),
            "smoothed": list(self.smoothed),
        }


def _standard_error(steps: int) -> float:
    """Of the corrected exponential average of so many independent values that spread by 1."""
    left = SMOOTHING**steps
    return math.sqrt((1 - SMOOTHING) / (1 + SMOOTHING) * (1 + left) / (1 - left))


def find_lr(
    model: nn.Module,
    optimizer: Optimizer,
    lr: float,
    batches: Iterator[Shown],
    forward: Forward,
    rules: StepRules | None = None,
    sweep: Sweep | None = None,
    *,
    together: Together | None = None,
    stop: StopRequest | None = None,
    report: Report | None = None,
) -> RangeTest:
    """Test learning rates on a copy of `model` and `optimizer`, whatever they have learnt already.

    Both come back untouched, and so does torch's random state, also when the test is interrupted.
    `lr`, above 0, is the learning rate that the groups' `peak_lr` were made for, as by
    `resolve_lr`: a rate tested is that one's, and each group has it in the same proportion.
    `batches` are endless, as `training_batches` gives them. Of several ranks, which are `together`,
    every one must call this; they find the same.

    Raises:
        Interrupted: `stop` heard a signal.
        OtherRankEndedError: another rank can't go on.
        AugcliError: a view can't be had, or none at all.
    """
    sweep, together = sweep or Sweep(), together or Together()
    model, optimizer = copy.deepcopy((model, optimizer))
    exchange = None if together.is_alone else Exchange(model, together)
    step = Step(model.train(), optimizer, forward, rules, exchange)
    stop = stop or StopRequest()
    trace = _Trace(sweep)
    with own_random_state(forward.device):
        for number in range(sweep.steps):
            with torch.random.fork_rng(devices=[]):  # as in training: a source may draw from it
                batch, alter = next(batches)
            set_lr(optimizer, sweep.rate(number) / lr)
            try:
                outcome = step(batch, alter, stop)
            except FloatingPointError as error:
                trace.diverged = f"{error} at {sweep.rate(number):.2g}"
                break
            if stop.signal is not None:
                raise Interrupted(_interrupted(stop.signal), stop.signal)
            if outcome.samples:
                trace.add(sweep.rate(number), outcome.loss)
            if report is not None:
                report(number + 1, sweep.steps, outcome.loss)
            if trace.diverged is not None:
                break
    return trace.judged()


def training_batches(
    source: Source,
    alteration: Alteration,
    device: torch.device,
    epoch: int = 0,
    number: int = 0,
    size: int | None = None,
) -> Generator[Shown]:
    """Batches as training has them from (`epoch`, `number`) on, one epoch after another.

    `size` is as of `Alteration.of`.
    """
    for each in itertools.count(epoch):
        start = number if each == epoch else 0
        batches = batches_on(device, source, each, start)
        for place, batch in enumerate(batches, start):
            yield batch, alteration.of(batch, each, place, size)


class _Trace:
    """A test under way."""

    def __init__(self, sweep: Sweep) -> None:
        self.diverged: str | None = None
        self._sweep = sweep
        self._rates: list[float] = []
        self._losses: list[float] = []
        self._smoothed: list[float] = []
        self._average = 0.0

    def add(self, rate: float, loss: float) -> None:
        """A step at `rate`, whose batch had `loss`."""
        self._rates.append(rate)
        self._losses.append(loss)
        self._average = SMOOTHING * self._average + (1 - SMOOTHING) * loss
        self._smoothed.append(self._average / (1 - SMOOTHING ** len(self._losses)))
        if self._smoothed[-1] > DIVERGED * min(self._smoothed):
            self.diverged = f"the smoothed loss is over {DIVERGED:g} times its lowest at {rate:.2g}"

    def judged(self) -> RangeTest:
        """The test, and what the rules say of it."""
        if not self._rates and self.diverged is None:
            raise AugcliError("the range test had not one view that can be read: run augcli verify")
        diverged, steps = self.diverged, self._sweep.steps
        return RangeTest(
            self._sweep,
            tuple(self._rates),
            tuple(self._losses),
            tuple(self._smoothed),
            diverged,
            suggest(self._rates, self._smoothed, steps, diverged is not None),
        )


def _interrupted(number: int) -> str:
    name = signal.Signals(number).name
    return f"stopped by {name} in the range test, which nothing keeps: give the command again"
