"""`--budget`: a run by the clock, in whole epochs, whose schedule ends when the time does.

How many epochs that will be nobody knows before. At the start of each, what is left of the schedule
is divided evenly among as many as the time left is good for; those decisions are the timeline's
marks, which a checkpoint keeps. All else follows from the marks, as in a run by epochs.
"""

from __future__ import annotations

import dataclasses
import math
import re
import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from augcli.manifests.errors import UsageError
from augcli.manifests.inputs import shown
from augcli.manifests.settings import option_name
from augcli.train.batch import Batch
from augcli.train.config import TrainConfig
from augcli.train.planning import Probed, costs_of, epochs_that_fit, next_mark
from augcli.train.probing import Found, probe
from augcli.train.together import Together

if TYPE_CHECKING:
    from augcli.train.state import RunState

NOMINAL_EPOCHS, NOMINAL_STEPS_PER_EPOCH = 100, 1000
"""Of the run that the schedule is made for: fine enough to end anywhere."""
OF_KNOWN_EPOCHS = ("warmup_epochs", "step_len", "milestones", "cycle_len")
PROBE_STEPS = 20
"""Of the first epoch, before it is planned; the first half, which are slower, don't count."""
OTHER_SECONDS = 0.3
"""Per epoch, for saving and drawing, before they were timed."""

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?", re.ASCII)


def parse_duration(option: str, text: str) -> float:
    """`90s`, `6m` or `1h30m` in seconds.

    Raises:
        UsageError: no duration, or an empty one; the message names `option`.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    hours, minutes, seconds = (float(part or 0) for part in match.groups()) if match else (0, 0, 0)
    total = 3600 * hours + 60 * minutes + seconds
    if not total or not math.isfinite(total):
        raise UsageError(f"{option}: '{shown(text)}' is no duration: expected one as 90s or 1h30m")
    return total


def nominal_run(config: TrainConfig, batches_per_epoch: int) -> tuple[TrainConfig, int]:
    """The run that the schedule is made for, and its steps per epoch.

    Raises:
        UsageError: a bad `--budget`, or options beside it that need the number of epochs.
    """
    if config.budget is None:
        return config, batches_per_epoch
    parse_duration("--budget", config.budget)
    if config.epochs != TrainConfig.epochs:
        raise UsageError("--epochs and --budget both say how long to train: give one of them")
    counted = [name for name in OF_KNOWN_EPOCHS if getattr(config, name)]
    if config.gamma is not None and (config.sched, config.cyclic_mode) in _PER_EPOCH:
        counted.append("gamma")
    if counted:
        raise UsageError(
            f"{option_name(counted[0])} counts epochs, and with --budget nobody knows how many "
            "there will be: leave it out, or use --epochs"
        )
    return dataclasses.replace(config, epochs=NOMINAL_EPOCHS), NOMINAL_STEPS_PER_EPOCH


_PER_EPOCH = (("exponential", None), ("cyclic", "exp_range"))
"""Schedules, and modes of cyclic, whose gamma is per epoch."""


class Clock:
    """Seconds that a run has taken, in this process and in those before an interruption."""

    def __init__(self, began: float | None = None) -> None:
        """`began` is a reading of `time.monotonic`, now unless given."""
        self._before = 0.0
        self._began = time.monotonic() if began is None else began

    def spent(self) -> float:
        """Up to now."""
        return self._before + time.monotonic() - self._began

    def add(self, seconds: float) -> None:
        """Count what was spent before."""
        self._before += seconds


class Budget:
    """Decides at the start of each epoch where on the schedule it ends; ranks decide alike."""

    def __init__(
        self,
        config: TrainConfig,
        clock: Clock,
        together: Together,
        *,
        validated: int,
        finally_seen: int,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        """`tell` hears how many epochs there will be."""
        assert config.budget is not None
        self._text = config.budget
        self._seconds = parse_duration("--budget", config.budget)
        self._clock, self._together, self._tell = clock, together, tell
        self._validated, self._finally_seen = validated, finally_seen
        self._step_seconds: list[float] = []
        self._probed: Probed | None = None
        self._other_seconds = OTHER_SECONDS
        self._began: float | None = None

    def begin_epoch(self, state: RunState) -> bool:
        """Plan the epoch that `state` is at, if it isn't; False: there is no time for another one.

        The first is planned when some steps of it were timed.
        """
        self._time_the_rest(state)
        if state.epoch == 0 or state.timeline.planned > state.epoch:
            return True
        epochs = self._epochs_left(state, 0.0)
        if epochs:
            state.timeline = state.timeline.with_mark(next_mark(state.timeline, epochs))
        return epochs > 0

    def after_step(self, state: RunState, batch: Batch, seconds: float) -> None:
        """Hear what a step took, its wait for data included; `batch` is on the device."""
        if state.timeline.planned > state.epoch:
            return
        self._step_seconds.append(seconds)
        left = state.timeline.batches(state.epoch) - state.batch
        if left and len(self._step_seconds) < PROBE_STEPS:
            return
        usual = statistics.fmean(self._step_seconds[len(self._step_seconds) // 2 :])
        [usual] = self._together.greatest([usual])
        self._probed = self._probe(state, batch, usual)
        epochs = self._epochs_left(state, usual * state.batch)
        state.timeline = state.timeline.with_mark(next_mark(state.timeline, max(epochs, 1)))
        if self._tell is not None:
            self._tell(
                f"--budget {self._text}: time for about {epochs} epochs"
                if epochs
                else f"--budget {self._text} is too short for one epoch, which is had all the same"
            )

    def _epochs_left(self, state: RunState, begun_seconds: float) -> int:
        """How many epochs fit; the running one has had `begun_seconds`, as it should have."""
        spent, other = self._together.greatest([self._clock.spent(), self._other_seconds])
        costs = costs_of(
            state.timeline,
            state.rows,
            self._probed,
            validated=self._validated,
            finally_seen=self._finally_seen,
            other_seconds=other,
        )
        return epochs_that_fit(state.timeline, costs, self._seconds - spent + begun_seconds)

    def _probe(self, state: RunState, batch: Batch, step_seconds: float) -> Probed:
        """What an epoch takes of which steps take `step_seconds`, and what other sizes would."""
        sizes = [stage.size for stage in state.timeline.stages]
        epoch_seconds = step_seconds * state.batches
        waited = state.totals.data_wait_seconds / max(1, state.totals.samples)
        found = Found((0.0,) * len(sizes), 0.0)
        if len(batch) > 1:  # some may be skipped
            found = probe(state.shown, state.shown_by, batch, sizes)
        *computing, evaluating = self._together.greatest([*found.computing, found.evaluating])
        return Probed(epoch_seconds, dict(zip(sizes, computing, strict=True)), evaluating + waited)

    def _time_the_rest(self, state: RunState) -> None:
        """Of the epoch before, what was neither training nor validation."""
        now = self._clock.spent()
        if self._began is not None:
            row = state.rows[-1]
            self._other_seconds = max(0.0, now - self._began - row.seconds - row.validation_seconds)
        self._began = now if state.batch == 0 else None
