"""Measures on predictions, against hand-worked cases and their own definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from augcli.train.metrics import (
    Z_95,
    accuracy,
    confusion_matrix,
    mean_loss,
    mean_of,
    per_class_f1,
    per_class_precision,
    per_class_recall,
    wilson_interval,
)

TRUE = np.array([0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 1, 0, 2])


def test_confusion_has_true_classes_as_rows() -> None:
    confusion = confusion_matrix(TRUE, PREDICTED, 4)
    assert confusion.dtype == np.int64
    assert confusion.tolist() == [[2, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]


def test_confusion_counts_every_sample_once() -> None:
    rng = np.random.default_rng(0)
    true, predicted = rng.integers(0, 9, 1000), rng.integers(0, 9, 1000)
    confusion = confusion_matrix(true, predicted, 9)
    assert confusion.sum(axis=1).tolist() == np.bincount(true, minlength=9).tolist()
    assert confusion.sum(axis=0).tolist() == np.bincount(predicted, minlength=9).tolist()
    assert accuracy(confusion) == np.mean(true == predicted)


@pytest.mark.parametrize("wrong", [-1, 3])
def test_confusion_refuses_other_classes(wrong: int) -> None:
    with pytest.raises(ValueError, match=r"0\.\.2"):
        confusion_matrix(np.array([0, 1]), np.array([0, wrong]), 3)
    with pytest.raises(ValueError, match="must both be"):
        confusion_matrix(np.array([0, 1]), np.array([0]), 3)


def test_recall_per_class() -> None:
    recall = per_class_recall(confusion_matrix(TRUE, PREDICTED, 4))
    assert recall == [pytest.approx(2 / 3), 0.5, 1.0, None]


def test_precision_and_f1_per_class() -> None:
    """A class that is neither there nor predicted has none; one that is only predicted has 0."""
    confusion = confusion_matrix(np.array([0, 0, 0, 1]), np.array([0, 0, 1, 2]), 4)
    assert per_class_precision(confusion) == [1.0, 0.0, 0.0, None]
    assert per_class_f1(confusion) == [pytest.approx(0.8), 0.0, None, None]
    assert mean_of(per_class_f1(confusion)) == pytest.approx(0.4)
    assert mean_of([None, None]) is None


def test_mean_loss_does_not_depend_on_order() -> None:
    losses = np.random.default_rng(0).lognormal(sigma=5, size=1000).astype(np.float32)
    assert mean_loss(losses) == mean_loss(losses[::-1]) == mean_loss(np.sort(losses))
    assert mean_loss(np.array([1.0, 2.0, 6.0])) == 3.0


def test_no_samples() -> None:
    with pytest.raises(ValueError, match="no samples"):
        mean_loss(np.array([]))
    with pytest.raises(ValueError, match="no samples"):
        accuracy(np.zeros((2, 2), dtype=np.int64))
    with pytest.raises(ValueError, match="0 correct of 0"):
        wilson_interval(0, 0)
    with pytest.raises(ValueError, match="4 correct of 3"):
        wilson_interval(4, 3)


@pytest.mark.parametrize(
    ("correct", "n", "expected"),
    [(8, 10, (0.4902, 0.9433)), (0, 10, (0.0, 0.2775)), (10, 10, (0.7225, 1.0))],
)
def test_wilson_of_textbook_cases(correct: int, n: int, expected: tuple[float, float]) -> None:
    assert wilson_interval(correct, n) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(("correct", "n"), [(1, 3), (50, 372), (299, 372), (9_999, 10_000)])
def test_wilson_ends_are_where_the_score_test_turns(correct: int, n: int) -> None:
    share = correct / n
    low, high = wilson_interval(correct, n)
    assert 0 < low < share < high < 1
    for end in (low, high):
        assert abs(share - end) == pytest.approx(Z_95 * math.sqrt(end * (1 - end) / n))
