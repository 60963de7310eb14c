"""How many epochs there is time for: steps are timed, then the epochs are counted, then trained."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

WARM_UP_STEPS = 3
"""Before steps are timed: the first ones choose and compile kernels."""
PROBE_SHARE = 0.25
"""Of the minutes, for timing steps: as a rule enough for a whole epoch. It doesn't count."""


@dataclass(frozen=True)
class Probe:
    """`done` of an epoch's `steps`, timed from its start: that of loader workers included."""

    seconds: float
    done: int
    steps: int

    @property
    def epoch_seconds(self) -> float:
        """What the whole epoch takes."""
        return self.seconds * self.steps / self.done


@dataclass(frozen=True)
class Plan:
    """`epochs` to train, whole ones; there was time for `time_for`."""

    epochs: int
    time_for: float


def plan_epochs(probe: Probe, seconds: float) -> Plan:
    """As many whole epochs as fit into `seconds`; one epoch in any case.

    Raises:
        ValueError: an epoch has no step.
    """
    if not probe.done:
        raise ValueError("fewer training images than one batch has")
    time_for = seconds / probe.epoch_seconds
    return Plan(max(1, math.floor(time_for)), time_for)


class Stopwatch:
    """Times the steps of an epoch, up to so many, or until so many seconds are over."""

    def __init__(
        self,
        most_steps: float = math.inf,
        most_seconds: float = math.inf,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._most_steps, self._most_seconds, self._now = most_steps, most_seconds, now
        self._done, self._seconds = 0, 0.0
        self._began = now()

    def step(self) -> bool:
        """Count a step that is done; whether that is enough."""
        self._done += 1
        self._seconds = self._now() - self._began
        return self._done >= self._most_steps or self._seconds >= self._most_seconds

    def probe(self, steps: int) -> Probe:
        """What was timed, of an epoch that has so many steps."""
        return Probe(self._seconds, self._done, steps)
