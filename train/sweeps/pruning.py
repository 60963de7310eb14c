"""Ending early what does badly so far, by Optuna's pruners.

Median pruning: Golovin et al. 2017, https://doi.org/10.1145/3097983.3098043, section 3.4.
Hyperband: Li et al. 2018, https://arxiv.org/abs/1603.06560.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from augcli.train.record import Row
from augcli.train.sweeps.trial import FINISHED, Outcome

if TYPE_CHECKING:
    from optuna.pruners import BasePruner

WARMUP_SHARE = 0.25
"""The part of a training that the median pruner lets pass, whatever it looks like."""


class Pruning:
    """Judges combinations, numbered in the order in which they begin, by validation accuracy."""

    def __init__(self, pruner: str, epochs: int) -> None:
        """`epochs`: of the longest training."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(
            study_name="sweep", direction="maximize", pruner=_pruner(pruner, epochs)
        )
        self._trials: list[optuna.Trial] = []
        self._seen: list[set[int]] = []

    def begin(self) -> None:
        """The next combination begins."""
        self._trials.append(self._study.ask())
        self._seen.append(set())

    def goes_on(self, number: int, rows: Iterable[Row]) -> bool:
        """Whether a combination should go on after epochs of which some may be known."""
        trial, seen = self._trials[number], self._seen[number]
        ends = False
        for row in rows:
            if row.epoch not in seen and row.val_accuracy is not None:
                seen.add(row.epoch)
                trial.report(row.val_accuracy, row.epoch)
                ends = trial.should_prune()
        return not ends

    def end(self, number: int, outcome: Outcome) -> None:
        """A combination has ended; others are judged by those that finished."""
        from optuna.trial import TrialState

        self.goes_on(number, outcome.rows)
        if outcome.state == FINISHED and outcome.measured is not None:
            self._study.tell(self._trials[number], outcome.measured.val_accuracy)
        else:
            self._study.tell(self._trials[number], state=TrialState.FAIL)


def _pruner(name: str, epochs: int) -> BasePruner:
    from optuna.pruners import HyperbandPruner, MedianPruner

    if name == "median":
        return MedianPruner(n_warmup_steps=int(WARMUP_SHARE * epochs) + 1)
    return HyperbandPruner(max_resource=epochs)
