"""Searches by Optuna (Akiba et al. 2019, https://arxiv.org/abs/1907.10902).

TPE: Bergstra et al. 2011, https://papers.nips.cc/paper/4443.

Optuna stores nothing: a proposal is a function of the sweep's seed and of the trainings before it,
which are in the sweep's folder. So a sweep that was killed proposes what it would have proposed.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from augcli.manifests.errors import UsageError
from augcli.manifests.hashing import view_seed
from augcli.train.record import Row
from augcli.train.sweeps.config import DEFAULT_TRIALS, TPE, StudyConfig
from augcli.train.sweeps.domains import Choices, Domain, Values
from augcli.train.sweeps.ledger import Ledger
from augcli.train.sweeps.pruning import Pruning
from augcli.train.sweeps.space import Space
from augcli.train.sweeps.trial import DIVERGED, FAILED, FINISHED, PRUNED, Outcome, Trial

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.study import Study

ATTEMPTS = 20
"""Proposals in turn that were made before, until the first that was not is taken."""
_FROM_GOOD_TO_BAD = (None, FINISHED, PRUNED, DIVERGED, FAILED)


@dataclass
class Tried:
    """A combination that was proposed, and what is known of it."""

    values: Values
    by_epoch: dict[int, float] = field(default_factory=dict)
    """Validation accuracy with the first seed."""
    scores: list[float] = field(default_factory=list)
    """Validation accuracy of each finished training."""
    state: str | None = None
    """The worst that came of a training of it, or None as long as none has ended."""


class OptunaSearch:
    """Combinations drawn at random, or by TPE from what is known so far.

    With a pruner only the first seed is judged, and what it lets pass is trained with the others.
    """

    def __init__(
        self, space: Space, config: StudyConfig, seeds: Sequence[int], ledger: Ledger
    ) -> None:
        """Raises: UsageError: Optuna is not installed."""
        check_optuna(config)
        self._space, self._config, self._seeds, self._ledger = space, config, seeds, ledger
        self._trials = config.trials or DEFAULT_TRIALS
        if not space.ranges:
            self._trials = min(self._trials, len(space.grid()))
        self._recorded = deque(ledger.recorded(space)[: self._trials])
        self._tried: list[Tried] = []
        self._pruning = None
        if config.prune is not None:
            self._pruning = Pruning(config.prune, space.most_epochs)
        self._waiting: deque[Trial] = deque()

    @property
    def total(self) -> int:
        """If none is pruned."""
        return self._trials * len(self._seeds)

    def next(self) -> Trial | None:
        """What an earlier sweep began, in its order; then what is proposed."""
        if not self._waiting and len(self._tried) < self._trials:
            values = self._recorded.popleft() if self._recorded else self._propose()
            if values is not None:
                self._begin(values)
        return self._waiting.popleft() if self._waiting else None

    def goes_on(self, trial: Trial, row: Row) -> bool:
        """Whether the pruner lets a training go on."""
        if self._pruning is None or trial.seed != self._seeds[0]:
            return True
        is_last = row.epoch == trial.config.epochs
        return self._pruning.goes_on(self._number(trial), [row]) or is_last

    def end(self, trial: Trial, outcome: Outcome) -> None:
        """Take over the result, and have the other seeds trained if it is good enough."""
        number = self._number(trial)
        tried = self._tried[number]
        if trial.seed == self._seeds[0]:
            tried.by_epoch = _by_epoch(outcome.rows)
            if self._pruning is not None:
                self._pruning.end(number, outcome)
                self._add(trial.values, self._seeds[1:] if outcome.state == FINISHED else [])
        if outcome.measured is not None:
            tried.scores.append(outcome.measured.val_accuracy)
        tried.state = max(tried.state, outcome.state, key=_FROM_GOOD_TO_BAD.index)

    def _begin(self, values: Values) -> None:
        self._tried.append(Tried(values))
        if self._pruning is None:
            self._add(values, self._seeds)
        else:
            self._pruning.begin()
            self._add(values, self._seeds[:1])

    def _add(self, values: Values, seeds: Sequence[int]) -> None:
        self._waiting += [self._ledger.trial(self._space, values, seed) for seed in seeds]

    def _number(self, trial: Trial) -> int:
        return [tried.values for tried in self._tried].index(trial.values)

    def _propose(self) -> Values | None:
        """A combination that was not tried yet, or None if there is none left."""
        known = [tried.values for tried in self._tried]
        for attempt in range(ATTEMPTS):
            number = len(known) * ATTEMPTS + attempt
            seed = view_seed(self._seeds[0], "proposal of a sweep", number) % 2**32
            values = propose(self._space, self._tried, self._config.search, seed)
            if values not in known:
                return values
        if self._space.ranges:
            return None
        return next((values for values in self._space.grid() if values not in known), None)


def check_optuna(config: StudyConfig) -> None:
    """Raises: UsageError: Optuna is not installed."""
    if find_spec("optuna") is None:
        raise UsageError(
            f"--search {config.search}: needs Optuna, which is not installed: "
            "pip install 'augcli[optuna]'"
        )


def propose(space: Space, tried: Sequence[Tried], search: str, seed: int) -> Values:
    """A combination, by TPE or at random: a function of the arguments alone."""
    from optuna.samplers import RandomSampler, TPESampler

    sampler = TPESampler(seed=seed) if search == TPE else RandomSampler(seed=seed)
    study = _study(space, tried, sampler)
    found = {name: _distribution(domain) for name, domain in space.factors.items()}
    asked = study.ask(found).params
    return space.own({name: _rounded(space.factors[name], asked[name]) for name in space.factors})


def _rounded(domain: Domain, value: Any) -> Any:
    """Drawn numbers with three digits, which is what they are worth."""
    if isinstance(domain, Choices) or domain.whole:
        return value
    return min(max(float(f"{value:.3g}"), domain.low), domain.high)


def _study(space: Space, tried: Sequence[Tried], sampler: BaseSampler) -> Study:
    """What was tried, as Optuna sees it; what diverged is as bad as can be."""
    import optuna
    from optuna.trial import TrialState, create_trial

    states = {
        None: TrialState.RUNNING,
        FINISHED: TrialState.COMPLETE,
        PRUNED: TrialState.PRUNED,
        DIVERGED: TrialState.PRUNED,
        FAILED: TrialState.FAIL,
    }
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for each in tried:
        study.add_trial(
            create_trial(
                state=states[each.state],
                value=statistics.fmean(each.scores) if each.state == FINISHED else None,
                params=dict(each.values),
                distributions={name: _distribution(space.factors[name]) for name in each.values},
                intermediate_values={} if each.state == DIVERGED else dict(each.by_epoch),
            )
        )
    return study


def _distribution(domain: Domain) -> BaseDistribution:
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if isinstance(domain, Choices):
        return CategoricalDistribution(domain.values)
    if domain.whole:
        return IntDistribution(int(domain.low), int(domain.high), log=domain.log)
    return FloatDistribution(domain.low, domain.high, log=domain.log)


def _by_epoch(rows: Iterable[Row]) -> dict[int, float]:
    return {row.epoch: row.val_accuracy for row in rows if row.val_accuracy is not None}
