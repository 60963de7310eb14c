"""The course of a sweep: trainings one after another or side by side, each with its outcome."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from augcli.train.record import Row
from augcli.train.sweeps.datasets import Hear, Tell
from augcli.train.sweeps.ledger import Ledger
from augcli.train.sweeps.naming import counted
from augcli.train.sweeps.search import Search
from augcli.train.sweeps.trial import FINISHED, Outcome, Trial, run_trial


@dataclass(frozen=True)
class Ended:
    """A training and how it ended."""

    trial: Trial
    outcome: Outcome


class Course:
    """Takes trainings from a search, and hands it, the ledger and the user what came of them."""

    def __init__(
        self, search: Search, ledger: Ledger, hear: Hear, tell: Tell, *, pruned_counts: bool
    ) -> None:
        self.ended: list[Ended] = []
        self.reused = 0
        """How many of them had ended in an earlier sweep."""
        self._search, self._ledger = search, ledger
        self._hear, self._tell = hear, tell
        self._pruned_counts = pruned_counts

    @property
    def total(self) -> int:
        """How many trainings there are in all, as far as is known."""
        return max(self._search.total, len(self.ended))

    def next(self) -> Trial | None:
        """The next training to begin, or to go on with; None: none, or none for now."""
        while (trial := self._search.next()) is not None:
            known = self._ledger.outcome(trial, pruned_counts=self._pruned_counts)
            if known is None:
                self._ledger.begin(trial)
                self._hear(trial.label, len(self.ended), self.total)
                return trial
            self.reused += 1
            self._end(trial, known)
        return None

    def goes_on(self, trial: Trial, row: Row) -> bool:
        """Hear of an epoch, and say whether the training should go on."""
        accuracy = "" if row.val_accuracy is None else f", {row.val_accuracy:.1%}"
        epochs = "" if trial.config.budget else f" of {trial.config.epochs}"
        what = f"{trial.label}: epoch {row.epoch}{epochs}{accuracy}"
        self._hear(what, len(self.ended), self.total)
        return self._search.goes_on(trial, row)

    def end(self, trial: Trial, outcome: Outcome) -> None:
        """Hear how a training ended."""
        self._ledger.end(trial, outcome)
        self._end(trial, outcome)
        self._tell(_line(trial, outcome))

    def _end(self, trial: Trial, outcome: Outcome) -> None:
        self._search.end(trial, outcome)
        self.ended.append(Ended(trial, outcome))


def train_in_turn(course: Course) -> None:
    """All trainings, one at a time, in this process.

    Raises:
        Interrupted: SIGINT or SIGTERM came; the training at work was saved.
    """
    while (trial := course.next()) is not None:
        course.end(trial, run_trial(trial.config, partial(course.goes_on, trial)))


def _line(trial: Trial, outcome: Outcome) -> str:
    if outcome.measured is None:
        return f"{trial.label}: {outcome.state} after {counted(len(outcome.rows), 'epoch')}"
    measured = outcome.measured
    assert outcome.state == FINISHED
    return (
        f"{trial.label}: validation {measured.val_accuracy:.1%} "
        f"(epoch {measured.best_epoch} of {len(outcome.rows)}, {measured.seconds:.0f} s)"
    )
