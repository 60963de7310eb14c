"""Rates measured over stretches of some seconds in the midst of an endless stream of batches.

Neither the first batches of an epoch nor what was prepared while somebody else had his turn counts:
each stretch begins with a warm-up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from augcli.train.comparisons.cpu_time import cpu_seconds

REPEATS = 3
SECONDS = 1.0
"""Of one stretch, at least; whole batches."""
WARM_UP_SECONDS = 0.25
WARM_UP_BATCHES = 4
"""Before each stretch, at least."""

BatchT = TypeVar("BatchT")


@dataclass(frozen=True)
class Stretch:
    """What was measured: `waited` of the seconds for batches, and processor seconds of all."""

    views: int
    seconds: float
    waited: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Views per second."""
        return self.views / self.seconds

    @property
    def wait_share(self) -> float:
        """The part of the time spent waiting for batches, 0..1."""
        return self.waited / self.seconds


def measure_stretch(
    batches: Iterator[BatchT], size_of: Callable[[BatchT], int], use: Callable[[BatchT], object]
) -> Stretch:
    """Take `batches` for a while, of `size_of` views each, and do with them what `use` does."""
    take(batches, size_of, use, WARM_UP_SECONDS, WARM_UP_BATCHES)
    cpu_began = cpu_seconds()
    views, seconds, waited = take(batches, size_of, use, SECONDS, 1)
    return Stretch(views, seconds, waited, cpu_seconds() - cpu_began)


def take(
    batches: Iterator[BatchT],
    size_of: Callable[[BatchT], int],
    use: Callable[[BatchT], object],
    least_seconds: float,
    least_batches: int,
) -> tuple[int, float, float]:
    """What is taken, at least so much of it unless the batches end: views, seconds, and those of
    them spent waiting.
    """
    views = 0
    waited = 0.0
    began = asked = time.perf_counter()
    for taken, batch in enumerate(batches, 1):
        waited += time.perf_counter() - asked
        use(batch)
        views += size_of(batch)
        asked = time.perf_counter()
        if taken >= least_batches and asked - began >= least_seconds:
            break
    return views, time.perf_counter() - began, waited
