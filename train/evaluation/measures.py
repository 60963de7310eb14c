"""What is measured on probabilities: pure numpy. ROC AUC, log loss, calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augcli.train import metrics

Probabilities = NDArray[np.float64]
"""(N, classes), rows add up to 1."""
BINS = 15
"""As many as Guo et al. 2017 take."""


def roc_auc(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float | None:
    """The chance that a positive scores above a negative, ties counting half: the area under ROC.

    `scores` (N,), `positive` (N,). None when all are positive or none is. Exact: by ranks, as
    whole numbers (Mann and Whitney 1947, https://doi.org/10.1214/aoms/1177730491).
    """
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return None
    _, group, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    twice_rank = 2 * np.cumsum(sizes) - sizes + 1  # the mean rank of equal scores, doubled
    twice_wins = int(twice_rank[group][positive].sum()) - positives * (positives + 1)
    return twice_wins / (2 * positives * negatives)


def one_vs_rest_auc(probabilities: Probabilities, labels: NDArray[np.int64]) -> list[float | None]:
    """ROC AUC of each class against all others; None for a class without samples."""
    classes = probabilities.shape[1]
    return [roc_auc(probabilities[:, label], labels == label) for label in range(classes)]


def log_loss(probabilities: Probabilities, labels: NDArray[np.int64]) -> float:
    """The mean of -log(probability of the true class), in nats."""
    true = probabilities[np.arange(len(labels)), labels]
    return metrics.mean_loss(-np.log(np.maximum(true, np.finfo(np.float64).tiny)))


@dataclass(frozen=True)
class Bin:
    """Samples whose confidence is within `low` < c <= `high`; means are None if there are none."""

    low: float
    high: float
    n: int
    confidence: float | None
    """Mean probability of the predicted class."""
    accuracy: float | None


@dataclass(frozen=True)
class Calibration:
    """How far confidence is from accuracy."""

    bins: tuple[Bin, ...]

    @property
    def ece(self) -> float:
        """The expected calibration error: |accuracy - confidence| over bins, weighed by samples.

        Guo et al. 2017, https://arxiv.org/abs/1706.04599, with bins of equal width.
        """
        total = sum(part.n for part in self.bins)
        return sum(
            part.n / total * abs(part.accuracy - part.confidence)
            for part in self.bins
            if part.accuracy is not None and part.confidence is not None
        )


def calibration(
    confidences: NDArray[np.float64], right: NDArray[np.bool_], bins: int = BINS
) -> Calibration:
    """`confidences` (N,), probabilities of what was predicted, held against what was `right`."""
    places = np.clip(np.ceil(confidences * bins).astype(np.int64) - 1, 0, bins - 1)
    found = []
    for number in range(bins):
        inside = places == number
        n = int(inside.sum())
        found.append(
            Bin(
                low=number / bins,
                high=(number + 1) / bins,
                n=n,
                confidence=float(confidences[inside].mean()) if n else None,
                accuracy=float(right[inside].mean()) if n else None,
            )
        )
    return Calibration(tuple(found))
