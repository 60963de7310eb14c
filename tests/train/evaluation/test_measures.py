"""Measures on probabilities, against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from augcli.train.evaluation.measures import calibration, log_loss, one_vs_rest_auc, roc_auc


def by_pairs(scores: np.ndarray, positive: np.ndarray) -> float:
    """The definition: a positive against a negative, a tie counts half."""
    wins = [
        1.0 if p > n else 0.5 if p == n else 0.0
        for p in scores[positive]
        for n in scores[~positive]
    ]
    return math.fsum(wins) / len(wins)


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_auc_counts_pairs_and_halves_ties(levels: int) -> None:
    rng = np.random.default_rng(levels)
    scores = rng.integers(0, levels, 60) / levels
    positive = rng.random(60) < 0.3
    assert roc_auc(scores, positive) == pytest.approx(by_pairs(scores, positive), abs=1e-15)


def test_auc_at_its_ends() -> None:
    positive = np.array([False, False, True, True])
    assert roc_auc(np.array([0.1, 0.2, 0.3, 0.4]), positive) == 1.0
    assert roc_auc(np.array([0.4, 0.3, 0.2, 0.1]), positive) == 0.0
    assert roc_auc(np.full(4, 0.7), positive) == 0.5
    assert roc_auc(np.full(4, 0.7), np.ones(4, bool)) is None


def test_auc_of_each_class_against_the_rest() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.2, 0.6, 0.2], [0.6, 0.3, 0.1]])
    found = one_vs_rest_auc(probabilities, np.array([0, 1, 1]))
    assert found == [1.0, 1.0, None]


def test_log_loss_is_finite_even_when_surely_wrong() -> None:
    probabilities = np.array([[1.0, 0.0], [0.25, 0.75]])
    assert log_loss(probabilities[1:], np.array([1])) == pytest.approx(-math.log(0.75))
    assert 100 < log_loss(probabilities, np.array([1, 1])) < math.inf


def test_calibration_by_hand() -> None:
    confidences = np.array([0.55, 0.65, 0.9, 1.0, 0.5])
    right = np.array([True, False, True, True, False])
    found = calibration(confidences, right, bins=2)
    lower, upper = found.bins
    assert (lower.n, lower.low, lower.high) == (1, 0.0, 0.5)  # the edge belongs to the lower bin
    assert (lower.confidence, lower.accuracy) == (0.5, 0.0)
    assert upper.n == 4 and upper.accuracy == 0.75
    assert upper.confidence == pytest.approx(0.775)
    assert found.ece == pytest.approx(0.2 * 0.5 + 0.8 * 0.025)


def test_bins_without_samples_count_nothing() -> None:
    found = calibration(np.array([1.0, 1.0]), np.array([True, True]))
    assert len(found.bins) == 15 and found.ece == 0.0
    assert found.bins[0].confidence is None and found.bins[-1].n == 2
