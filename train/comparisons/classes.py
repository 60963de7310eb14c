"""Class by class: what an average may hide."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from augcli.train.comparisons.differences import Compared, Difference, judged
from augcli.train.comparisons.measurements import Measurements


@dataclass(frozen=True)
class ClassRow:
    """One class: recall (0..1) by arm, the mean over seeds, and the difference of two arms.

    Attributes:
        images: of the class in the test split; None where that isn't known.
        difference: None of a class without images.
    """

    name: str
    images: int | None
    recalls: dict[str, float]
    difference: Difference | None


def class_rows(
    measurements: Measurements, compared: Compared, arm: str, baseline: str, others: tuple[str, ...]
) -> tuple[ClassRow, ...]:
    """All classes, `arm` against `baseline`; the recalls of `others` are told too."""
    labels = range(len(measurements.classes))
    counts = [compared.images_of(label) for label in labels] if measurements.labels else None
    there = [label for label in labels if counts and counts[label]]
    found = judged([compared.contrast_of_class(arm, baseline, label) for label in there])
    differences = dict(zip(there, found, strict=True))
    arms = (*others, baseline, arm)
    recalls = [_recalls(measurements, name) for name in arms]
    return tuple(
        ClassRow(
            name=name,
            images=counts[label] if counts else None,
            recalls={
                each: mean
                for each, by_class in zip(arms, recalls, strict=True)
                if (mean := by_class[label]) is not None
            },
            difference=differences.get(label),
        )
        for label, name in enumerate(measurements.classes)
    )


def _recalls(measurements: Measurements, arm: str) -> list[float | None]:
    """An arm's mean recall of each class."""
    by_seed = [training.recalls for training in measurements.trainings_of(arm)]
    return [
        None if None in of_class else statistics.fmean(r for r in of_class if r is not None)
        for of_class in zip(*by_seed, strict=True)
    ]
