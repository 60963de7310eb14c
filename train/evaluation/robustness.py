"""Accuracy under the standard corruptions, each of them at severities 1 to 5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from augcli.augment.corruptions.registry import CORRUPTIONS, GROUPS, corrupted
from augcli.augment.corruptions.severities import SEVERITIES, calibration_for
from augcli.augment.decode import Pixels
from augcli.train.evaluation.predictions import Predictions, Predictor
from augcli.train.evaluation.variants import Variants
from augcli.train.views import Views


@dataclass(frozen=True)
class Example:
    """What was predicted of one image, the one that the sheet shows."""

    sample: int
    """Its number."""
    predicted: tuple[tuple[int, float], ...]
    """(class, its probability) by corruption and severity, in the order of `Plan.variants`."""


@dataclass(frozen=True)
class Robustness:
    """What corruptions did to accuracy."""

    names: tuple[str, ...]
    clean: float
    """Accuracy without any, 0..1."""
    accuracies: tuple[tuple[float, ...], ...]
    """For each name, accuracy at severities 1 to 5."""
    calibration: str
    """Whose amounts they were."""
    example: Example

    @property
    def by_name(self) -> dict[str, float]:
        """Mean accuracy over severities."""
        return {
            name: float(np.mean(row)) for name, row in zip(self.names, self.accuracies, strict=True)
        }

    @property
    def by_group(self) -> dict[str, float]:
        """Mean accuracy of the corruptions of each group that is there."""
        means = self.by_name
        groups = {
            group: [mean for name, mean in means.items() if CORRUPTIONS[name].group == group]
            for group in GROUPS
        }
        return {group: float(np.mean(found)) for group, found in groups.items() if found}

    @property
    def mean(self) -> float:
        """Mean accuracy over all corruptions and severities."""
        return float(np.mean(self.accuracies))

    @property
    def relative_drop(self) -> float | None:
        """Which part of the clean accuracy is lost on average; None if there was none to lose."""
        return 1 - self.mean / self.clean if self.clean else None

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "calibration": self.calibration,
            "severities": list(SEVERITIES),
            "accuracy": dict(zip(self.names, map(list, self.accuracies), strict=True)),
            "mean_by_corruption": self.by_name,
            "mean_by_group": self.by_group,
            "mean_corruption_accuracy": self.mean,
            "clean_accuracy": self.clean,
            "relative_drop": self.relative_drop,
        }


def variants_of(names: tuple[str, ...]) -> list[tuple[str, int]]:
    """(corruption, severity) of each variant."""
    return [(name, severity) for name in names for severity in SEVERITIES]


def measure_robustness(
    names: tuple[str, ...], views: Views, side: int, plain: Predictions, predictor: Predictor
) -> Robustness:
    """Show `views`, of `side` pixels, to the model under each of the corruptions.

    Raises:
        AugcliError: an image can't be had.
    """
    variants = variants_of(names)

    def alter(pixels: Pixels, key: str, variant: int) -> Pixels:
        name, severity = variants[variant]
        return corrupted(pixels, name, severity, key)

    sample = _example(plain)
    accuracies, predicted = [], []
    for found in predictor.each(Variants(views, alter, len(variants)), len(variants)):
        accuracies.append(float(found.right.mean()))
        label = int(found.predicted[sample])
        predicted.append((label, float(found.probabilities[sample, label])))
    rows = np.reshape(accuracies, (len(names), len(SEVERITIES)))
    return Robustness(
        names=names,
        clean=float(plain.right.mean()),
        accuracies=tuple(tuple(row) for row in rows.tolist()),
        calibration=calibration_for(side).name,
        example=Example(sample, tuple(predicted)),
    )


def _example(plain: Predictions) -> int:
    """Of the images that are recognised, the one of median confidence; the first if none is."""
    right = np.flatnonzero(plain.right)
    if not len(right):
        return 0
    confidences = plain.probabilities[right].max(axis=1)
    return int(right[np.argsort(confidences, kind="stable")[len(right) // 2]])
