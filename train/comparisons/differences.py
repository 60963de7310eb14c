"""Differences of accuracy between arms, and which of them are findings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from augcli.train.comparisons.measurements import Measurements, Training
from augcli.train.comparisons.statistics import (
    SIGNIFICANT,
    Booleans,
    Contrast,
    Floats,
    contrast,
    contrast_of_values,
    holm,
    residual,
)

BETTER, WORSE, UNTOLD, ONE_SEED = "better", "worse", "can't tell", "one seed"


@dataclass(frozen=True)
class Difference:
    """One arm less another, in shares of images (0..1).

    Attributes:
        half_width: of the 95 % interval, by itself; of a single seed over images only, and None
            where these can't be told apart.
        chance: how likely such a difference is by chance, made larger for all that were asked at
            once (Holm); None of a single seed.
        outcome: `better` or `worse` if that is below 0.05, `can't tell` or `one seed`.
        seeds_error, images_error: its standard errors, by what other seeds and other test images
            would have shown; None of what is not known.
    """

    mean: float
    half_width: float | None
    chance: float | None
    outcome: str
    seeds_error: float | None
    images_error: float | None

    @property
    def low(self) -> float:
        """The lower end of the interval, or the mean."""
        return self.mean - (self.half_width or 0.0)

    @property
    def high(self) -> float:
        """The upper end of the interval, or the mean."""
        return self.mean + (self.half_width or 0.0)

    @property
    def told(self) -> bool:
        """Whether it is a finding."""
        return self.outcome in (BETTER, WORSE)


def judged(contrasts: Sequence[Contrast]) -> list[Difference]:
    """All that is asked at once: findings are false in 5 % of such families at most."""
    if not contrasts:
        return []
    chances = holm(np.array([float(each.p_value()) for each in contrasts]))
    return [_judged(each, float(p)) for each, p in zip(contrasts, chances, strict=True)]


def _judged(found: Contrast, chance: float) -> Difference:
    mean, half_width = float(found.mean), float(found.half_width())
    known = not math.isnan(chance)
    outcome = ONE_SEED
    if known:
        side = BETTER if mean > 0 else WORSE
        outcome = side if chance < SIGNIFICANT else UNTOLD
    return Difference(
        mean=mean,
        half_width=half_width or None,
        chance=chance if known else None,
        outcome=outcome,
        seeds_error=None if found.by_seeds is None else math.sqrt(found.by_seeds),
        images_error=math.sqrt(found.by_images) or None,
    )


class Compared:
    """All arms of a comparison, ready to be set against each other.

    Attributes:
        seeds: those that every arm was trained with, which is what arms are compared on.
    """

    def __init__(
        self,
        arms: Sequence[str],
        trainings: Sequence[Training],
        images: int,
        labels: Sequence[int] = (),
    ) -> None:
        """`arms` that have no trainings are left out; `labels` are the classes of the images."""
        self._images, self._labels = images, np.array(labels)
        found = {arm: [each for each in trainings if each.arm == arm] for arm in arms}
        self._of = {arm: of_arm for arm, of_arm in found.items() if of_arm}
        shared = [{training.seed for training in each} for each in self._of.values()]
        self.seeds = tuple(sorted(set.intersection(*shared))) if shared else ()
        self._correct = {arm: self._correct_of(of_arm) for arm, of_arm in self._of.items()}
        by_seed = [correct.mean(axis=-1) for correct in self._correct.values()]
        self._pooled = residual(np.stack(by_seed)) if by_seed else None

    @classmethod
    def of(cls, measurements: Measurements) -> Compared:
        """Those of a benchmark."""
        return cls(
            [arm.name for arm in measurements.arms],
            measurements.trainings,
            measurements.test_images,
            measurements.labels,
        )

    @property
    def arms(self) -> tuple[str, ...]:
        """The names of those that were trained."""
        return tuple(self._of)

    def contrast(self, arm: str, baseline: str) -> Contrast:
        """`arm` less `baseline`, over all images."""
        return contrast(self._correct[baseline], self._correct[arm], self._pooled)

    def contrast_of_class(self, arm: str, baseline: str, label: int) -> Contrast:
        """`arm` less `baseline` over the images of one class, of which there must be some.

        How much seeds matter is asked of all arms on these images alone.
        """
        here = self._labels == label
        of_class = {name: correct[:, here] for name, correct in self._correct.items()}
        pooled = residual(np.stack([correct.mean(axis=-1) for correct in of_class.values()]))
        return contrast(of_class[baseline], of_class[arm], pooled)

    def contrast_of_corrupted(self, arm: str, baseline: str) -> Contrast | None:
        """`arm` less `baseline` under corruptions, over seeds; None where they weren't measured."""
        values = {name: self._corrupted_of(name) for name in self._of}
        known = {name: each for name, each in values.items() if each is not None}
        if arm not in known or baseline not in known:
            return None
        pooled = residual(np.stack(list(known.values())))
        return contrast_of_values(known[baseline], known[arm], pooled)

    def images_of(self, label: int) -> int:
        """How many test images a class has, as far as the measurements tell."""
        return int((self._labels == label).sum())

    def _correct_of(self, trainings: Sequence[Training]) -> Booleans:
        rows = {training.seed: training for training in trainings}
        return np.stack([rows[seed].correct_by_image(self._images) for seed in self.seeds])

    def _corrupted_of(self, arm: str) -> Floats | None:
        rows = {training.seed: training.corrupted for training in self._of[arm]}
        values = [rows[seed] for seed in self.seeds]
        return None if None in values else np.array(values, float)
