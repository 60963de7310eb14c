"""Where the cycles of a run begin and end: whole numbers, so that they are the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

CYCLES = 3
"""Cycles of a run that doesn't say how long they are."""


class Cycle(NamedTuple):
    """One cycle: its number from 0, its first step, and the first step after it."""

    number: int
    start: int
    end: int


@dataclass(frozen=True)
class Cycles:
    """Cycles one after another, each `mult` times as long as the one before.

    The first is as long as `total / parts` steps; the others end at the nearest step below.
    """

    total: int
    parts: int = 1
    mult: int = 1

    @classmethod
    def filling(cls, steps: int, mult: int = 1) -> Cycles:
        """Cycles that end where the run of `steps` ends: three, or one where it is short."""
        parts = _lengths(CYCLES, mult)
        return cls(steps, parts, mult) if steps >= 2 * parts else cls(steps, 1, mult)

    def start(self, number: int) -> int:
        """The first step of the cycle of that number, from 0."""
        return self.total * _lengths(number, self.mult) // self.parts

    def at(self, step: int) -> Cycle:
        """The cycle that `step` is in."""
        number = step * self.parts // self.total if self.mult == 1 else 0
        while self.start(number + 1) <= step:
            number += 1
        return Cycle(number, self.start(number), self.start(number + 1))

    def ends(self, steps: int) -> tuple[int, ...]:
        """After how many steps each whole cycle of a run of `steps` ends."""
        ends: list[int] = []
        while (end := self.start(len(ends) + 1)) <= steps:
            ends.append(end)
        return tuple(ends)


def _lengths(count: int, mult: int) -> int:
    """The length of the first `count` cycles together, in lengths of the first."""
    return count if mult == 1 else (mult**count - 1) // (mult - 1)
