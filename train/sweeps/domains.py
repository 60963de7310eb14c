"""What an option ranges over in a sweep: a few values, or all numbers between two."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

Value = str | int | float | None
Values = dict[str, Value]
"""One combination: a value for each option that varies; None is the option's default."""

LOG_FROM = 10.0
"""A range whose ends are so many times apart is searched on a logarithmic scale."""


@dataclass(frozen=True)
class Choices:
    """A few values, in the order given."""

    values: tuple[Value, ...]

    def holds(self, value: Value) -> bool:
        """Whether the value is one of them."""
        return value in self.values


@dataclass(frozen=True)
class Range:
    """All numbers, or whole numbers, from `low` to `high`."""

    low: float
    high: float
    whole: bool

    @property
    def log(self) -> bool:
        """Whether equal ratios count alike, and not equal differences."""
        return self.low > 0 and self.high >= LOG_FROM * self.low

    def holds(self, value: Value) -> bool:
        """Whether the value lies in it."""
        return isinstance(value, int | float) and self.low <= value <= self.high

    def parts(self, count: int) -> list[Range]:
        """The range cut into `count` parts that are searched alike, a number on a cut in both."""
        if self.log:
            cuts = [self.low * (self.high / self.low) ** (n / count) for n in range(1, count)]
        else:
            cuts = [self.low + (self.high - self.low) * n / count for n in range(1, count)]
        ends = [self.low, *cuts, self.high]
        return [Range(low, high, self.whole) for low, high in itertools.pairwise(ends)]


Domain = Choices | Range
