"""Paired comparison, against tables and plain resampling."""

from __future__ import annotations

import numpy as np
import pytest

from augcli.train.evaluation.paired import Paired, compare


def test_counts_where_the_two_ways_differ() -> None:
    first = np.array([True, True, False, False, True])
    second = np.array([True, False, True, True, True])
    found = compare(first, second)
    assert found == Paired(5, gained=2, lost=1)
    assert found.difference == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("gained", "lost", "expected"),
    [(10, 2, 0.03857421875), (2, 10, 0.03857421875), (5, 5, 1.0), (0, 0, 1.0), (6, 0, 0.03125)],
)
def test_mcnemar_by_the_binomial_table(gained: int, lost: int, expected: float) -> None:
    assert Paired(100, gained, lost).p_value == expected


def test_mcnemar_of_many() -> None:
    """About normal: 5,200 against 4,800 is 4 standard deviations."""
    assert Paired(100_000, 5_200, 4_800).p_value == pytest.approx(6.3e-5, rel=0.05)


def test_the_interval_is_that_of_resampled_images() -> None:
    n, found = 200, Paired(200, gained=30, lost=12)
    outcomes = np.array([1] * 30 + [-1] * 12 + [0] * 158)
    rng = np.random.default_rng(5)
    means = [outcomes[rng.integers(0, n, n)].mean() for _ in range(4_000)]
    assert found.interval == pytest.approx(np.quantile(means, (0.025, 0.975)), abs=0.006)
    assert found.interval == found.interval
    assert Paired(10, 0, 0).interval == (0.0, 0.0)
