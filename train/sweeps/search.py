"""Which training comes next: the seam between a sweep and how its space is searched."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from augcli.train.record import Row
from augcli.train.sweeps.ledger import Ledger
from augcli.train.sweeps.space import Space
from augcli.train.sweeps.trial import Outcome, Trial


class Search(Protocol):
    """Says what to train, and hears what came of it."""

    @property
    def total(self) -> int:
        """How many trainings there are in all, as far as is known."""
        ...

    def next(self) -> Trial | None:
        """The next training; None when there is none, or none until one at work has ended."""
        ...

    def goes_on(self, trial: Trial, row: Row) -> bool:
        """Whether a training should go on after its epoch `row`."""
        ...

    def end(self, trial: Trial, outcome: Outcome) -> None:
        """A training has ended, or had ended in an earlier sweep."""
        ...


class GridSearch:
    """Every combination: those that are there already, then all with the first seed, the next."""

    def __init__(self, space: Space, seeds: Sequence[int], ledger: Ledger) -> None:
        combinations = space.grid()
        trials = [ledger.trial(space, values, seed) for seed in seeds for values in combinations]
        trials.sort(key=lambda trial: ledger.outcome(trial, pruned_counts=False) is None)
        self._waiting = deque(trials)
        self.total = len(trials)

    def next(self) -> Trial | None:
        """The next of them."""
        return self._waiting.popleft() if self._waiting else None

    def goes_on(self, trial: Trial, row: Row) -> bool:
        """All are trained to the end."""
        return True

    def end(self, trial: Trial, outcome: Outcome) -> None:
        """Nothing follows from it."""
