"""What is measured on predictions: pure numpy, no model, no device."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
"""A confusion matrix (classes, classes): rows are true classes, columns predicted ones."""

Z_95 = 1.959963984540054
"""The two-sided 95 % point of the standard normal distribution."""


def confusion_matrix(true: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> Counts:
    """Count the pairs of `true` (N,) and `predicted` (N,) class indices into (classes, classes).

    Raises:
        ValueError: the lengths differ, or an index is outside 0..classes - 1.
    """
    if true.shape != predicted.shape or true.ndim != 1:
        raise ValueError(f"true {true.shape} and predicted {predicted.shape} must both be (N,)")
    indices = np.concatenate([true, predicted])
    if indices.size and (indices.min() < 0 or indices.max() >= classes):
        raise ValueError(f"class indices must be in 0..{classes - 1}")
    pairs = true.astype(np.int64) * classes + predicted
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def accuracy(confusion: Counts) -> float:
    """The share of samples on the diagonal, 0..1.

    Raises:
        ValueError: there are no samples.
    """
    total = int(confusion.sum())
    if total == 0:
        raise ValueError("accuracy of no samples")
    return int(np.trace(confusion)) / total


def mean_loss(losses: NDArray[np.floating]) -> float:
    """The mean of per-sample losses (N,), summed exactly, so that their order can't matter.

    Raises:
        ValueError: there are no samples.
    """
    if losses.size == 0:
        raise ValueError("mean loss of no samples")
    return math.fsum(losses.tolist()) / losses.size


def per_class_recall(confusion: Counts) -> list[float | None]:
    """The share of each true class that was recognised, 0..1; None for a class without samples."""
    totals = confusion.sum(axis=1)
    return [
        int(right) / int(total) if total else None
        for right, total in zip(np.diagonal(confusion), totals, strict=True)
    ]


def per_class_precision(confusion: Counts) -> list[float | None]:
    """The share of right ones among those taken for each class, 0..1; None if none was."""
    return per_class_recall(confusion.T)


def per_class_f1(confusion: Counts) -> list[float | None]:
    """The harmonic mean of precision and recall, 0..1; None for a class without samples."""
    right = np.diagonal(confusion)
    both = confusion.sum(axis=0) + confusion.sum(axis=1)
    return [
        2 * int(hits) / int(total) if samples else None
        for hits, total, samples in zip(right, both, confusion.sum(axis=1), strict=True)
    ]


def mean_of(values: Iterable[float | None]) -> float | None:
    """The mean of those that are there; None of none."""
    there = [value for value in values if value is not None]
    return math.fsum(there) / len(there) if there else None


def wilson_interval(correct: int, n: int, z: float = Z_95) -> tuple[float, float]:
    """The interval (low, high) within 0..1 for a share of which `correct` of `n` was seen, 95 %.

    Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953. It covers the chance of having
    drawn these `n` samples, not that of seeds.

    Raises:
        ValueError: not 0 <= correct <= n with n >= 1.
    """
    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"{correct} correct of {n}")
    share = correct / n
    scale = 1 + z * z / n
    centre = (share + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At the ends the formula gives exactly 0 and 1, but for rounding.
    low = 0.0 if correct == 0 else max(0.0, centre - half)
    high = 1.0 if correct == n else min(1.0, centre + half)
    return low, high
