"""The statistics of a sweep: which combination is how good, and how sure that is.

Combinations are ranked by their mean validation accuracy; test images have no say. Intervals are
95 %. Wilson's tells the chance of these images, Student's over seeds how much a result varies from
training to training; of several seeds the root of the sum of their squares is taken, as in
`comparisons.statistics`. Which images a training recognised is not recorded, so that the chance of
the images is never taken for less than if each combination had images of its own.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from augcli.train.comparisons.statistics import UNSEEN, Floats, contrast_of_values, interval
from augcli.train.metrics import wilson_interval
from augcli.train.sweeps.course import Ended
from augcli.train.sweeps.domains import Choices, Domain, Value, Values
from augcli.train.sweeps.space import Space, text_of
from augcli.train.sweeps.trial import FINISHED, Measured

PARTS_OF_RANGE = 3
"""Of a range, each third is a value of its own when effects are averaged."""


@dataclass(frozen=True)
class Standing:
    """One combination with all its trainings, by seed."""

    values: Values
    ended: tuple[Ended, ...]

    @property
    def measured(self) -> tuple[Measured, ...]:
        """Of the trainings that finished."""
        found = (each.outcome.measured for each in self.ended)
        return tuple(measured for measured in found if measured is not None)

    @property
    def is_whole(self) -> bool:
        """Whether every training of it finished."""
        return all(each.outcome.state == FINISHED for each in self.ended)

    @property
    def state(self) -> str:
        """`finished`, or what became of the first training that didn't."""
        states = (each.outcome.state for each in self.ended)
        return next((state for state in states if state != FINISHED), FINISHED)

    @property
    def accuracies(self) -> tuple[float, ...]:
        """On validation, 0..1, by seed."""
        return tuple(measured.val_accuracy for measured in self.measured)

    @property
    def accuracy(self) -> float | None:
        """Their mean; None when no training finished."""
        return statistics.fmean(self.accuracies) if self.measured else None

    @property
    def test_accuracy(self) -> float | None:
        """Mean accuracy on test images, where there are some."""
        found = [m.test_accuracy for m in self.measured if m.test_accuracy is not None]
        return statistics.fmean(found) if found else None

    @property
    def seconds(self) -> float:
        """Of training, of all seeds together."""
        return sum(row.seconds for each in self.ended for row in each.outcome.rows)

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The 95 % interval of `accuracy`, within 0..1."""
        if not self.measured:
            return None
        found = interval(self.accuracies)
        images = self.measured[0].val_images
        low, high = wilson_interval(round(found.mean * images), images)
        if found.half_width is None:
            return low, high
        below = math.hypot(found.mean - low, found.half_width)
        above = math.hypot(high - found.mean, found.half_width)
        return max(0.0, found.mean - below), min(1.0, found.mean + above)


def standings(ended: Iterable[Ended]) -> list[Standing]:
    """The combinations, best first: those that always finished, then the others."""
    by_values: dict[tuple[tuple[str, Value], ...], list[Ended]] = {}
    for each in ended:
        by_values.setdefault(tuple(each.trial.values.items()), []).append(each)
    found = [
        Standing(dict(values), tuple(sorted(of_it, key=lambda each: each.trial.seed)))
        for values, of_it in by_values.items()
    ]
    return sorted(found, key=_rank)


def _rank(standing: Standing) -> tuple[bool, float, float]:
    """By accuracy, then by validation loss."""
    losses = [measured.val_loss for measured in standing.measured]
    mean_loss = statistics.fmean(losses) if losses else 0.0
    return not standing.is_whole, -(standing.accuracy or 0.0), mean_loss


def can_be_told_apart(one: Standing, other: Standing) -> bool:
    """Whether more than chance lies between two combinations that finished.

    Over seeds their differences are paired: same weights, same order. With one seed their
    intervals are compared, which is the more cautious.
    """
    by_seed = [{e.trial.seed: e.outcome.measured for e in each.ended} for each in (one, other)]
    seeds = [seed for seed in by_seed[0] if by_seed[0][seed] and by_seed[1].get(seed)]
    if len(seeds) > 1:
        pairs = [[by[seed].val_accuracy for seed in seeds] for by in by_seed]  # type: ignore[union-attr]
        return _is_more_than_chance(np.array(pairs), one.measured[0].val_images)
    assert one.bounds is not None and other.bounds is not None
    return one.bounds[0] > other.bounds[1] or other.bounds[0] > one.bounds[1]


def _is_more_than_chance(accuracies: Floats, images: int) -> bool:
    """Of two combinations by seed, (2, seeds), each on `images` images."""
    means = accuracies.mean(axis=1)
    by_images = np.asarray((means * (1 - means)).sum() / images + UNSEEN / images**2)
    found = replace(contrast_of_values(*accuracies), by_images=by_images, images=images)
    return bool(abs(found.mean) > found.half_width())


@dataclass(frozen=True)
class Effect:
    """One value of an option, over all combinations that have it."""

    option: str
    value: str
    """As written, or a part of its range."""
    combinations: int
    whole: int
    """How many of them finished with every seed."""
    mean: float | None
    """Mean accuracy of those, 0..1."""
    best: float | None


def effects(space: Space, found: Sequence[Standing]) -> list[Effect]:
    """What each value of each option comes to, averaged over all others."""
    return [
        _effect(name, text, [each for each in found if _has(each, name, part)])
        for name in space.factors
        for text, part in _parts(space, name)
    ]


def _has(standing: Standing, name: str, part: Domain) -> bool:
    return name in standing.values and part.holds(standing.values[name])


def _parts(space: Space, name: str) -> list[tuple[str, Domain]]:
    domain = space.factors[name]
    if isinstance(domain, Choices):
        return [(text_of(name, value), Choices((value,))) for value in domain.values]
    parts = domain.parts(PARTS_OF_RANGE)
    return [(f"{part.low:.3g}–{part.high:.3g}", part) for part in parts]


def _effect(name: str, value: str, having: Sequence[Standing]) -> Effect:
    whole = [each.accuracy for each in having if each.is_whole and each.accuracy is not None]
    return Effect(
        option=name,
        value=value,
        combinations=len(having),
        whole=len(whole),
        mean=statistics.fmean(whole) if whole else None,
        best=max(whole, default=None),
    )
