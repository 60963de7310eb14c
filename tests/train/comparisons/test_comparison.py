"""The verdict's statistics and sentences: pure, so checked against known numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from augcli.train.comparisons.comparison import (
    Finding,
    Measured,
    break_even_epochs,
    interval,
    paired_difference,
    verdict,
)


def test_interval_of_a_textbook_sample() -> None:
    """Student 1908: the extra hours of sleep, n = 10, t(9) = 2.262."""
    extra = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    found = interval(extra)
    assert found.mean == pytest.approx(1.58)
    assert found.half_width == pytest.approx(2.262 * 1.2299 / math.sqrt(10), rel=1e-3)
    assert found.excludes_zero()


def test_one_value_has_no_interval() -> None:
    found = interval([0.5])
    assert (found.mean, found.half_width) == (0.5, None)
    assert not found.excludes_zero()


@pytest.mark.parametrize("count", [2, 3, 5, 10, 31, 40])
def test_intervals_cover_the_truth_95_times_in_100(count: int) -> None:
    rng = np.random.default_rng(count)
    runs = 4000
    covered = 0
    for sample in rng.normal(3.0, 2.0, (runs, count)):
        found = interval(list(sample))
        assert found.half_width is not None
        covered += abs(found.mean - 3.0) <= found.half_width
    assert abs(covered / runs - 0.95) < 4.5 * math.sqrt(0.95 * 0.05 / runs)


def test_pairing_removes_what_seeds_share() -> None:
    shared = np.random.default_rng(0).normal(0, 10, 5)
    found = paired_difference(list(shared + 1.0), list(shared))
    assert found.mean == pytest.approx(1.0)
    assert found.half_width == pytest.approx(0.0, abs=1e-9)
    with pytest.raises(ValueError, match="shorter"):
        paired_difference([1.0, 2.0], [1.0])


def test_break_even() -> None:
    assert break_even_epochs(30.0, 5.0, 2.0) == pytest.approx(10.0)
    assert break_even_epochs(30.0, 2.0, 2.0) is None
    assert break_even_epochs(30.0, 2.0, 5.0) is None


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ((1, 2), (3, 4), False),
        ((1, 3), (2, 4), True),
        ((1, 4), (2, 3), True),
        ((1, 2), (2, 3), True),
    ],
)
def test_measurements_overlap(
    first: tuple[float, float], second: tuple[float, float], same: bool
) -> None:
    one, other = Measured(1.5, *first), Measured(2.5, *second)
    assert one.overlaps(other) is other.overlaps(one) is same


def around(rate: float) -> Measured:
    return Measured(rate, 0.99 * rate, 1.01 * rate)


FINDING = Finding(
    source_rates={"none": around(900), "on-the-fly": around(300), "shards": around(1500)},
    training_rates={"none": around(190), "on-the-fly": around(100), "shards": around(200)},
    wait_shares={"none": 0.02, "on-the-fly": 0.5, "shards": 0.01},
    accuracies={
        "none": (0.60, 0.61, 0.59),
        "on-the-fly": (0.70, 0.72, 0.71),
        "shards": (0.71, 0.70, 0.72),
    },
    expansion_seconds=10.0,
    samples=1000,
    rounds=6,
    epochs=20,
    disk_bytes=5_000_000,
    test_images=10_000,
)


def test_verdict_when_expansion_pays() -> None:
    text = "\n".join(verdict(FINDING))
    assert "Stored views come 5.0 times as fast" in text
    assert "training from them runs 2.00 times as fast" in text
    assert "pays back after 2 epochs, or 0.1 trainings of 20 epochs" in text  # 10 s / (10 s - 5 s)
    assert "Stored views: +0.0 points" in text
    assert "No augmentation: -11.0 points" in text
    assert "5.0 MB of disk for 6 rounds" in text
    assert text.count("can't be told from noise") == 1
    assert text.count("more than noise") == 1


def test_verdict_when_the_step_is_the_bottleneck() -> None:
    text = "\n".join(verdict(replace(FINDING, wait_shares={"on-the-fly": 0.01})))
    assert "the training step is the bottleneck" in text
    assert "no time that could be measured" in text
    assert "pays back" not in text


def test_verdict_when_the_rates_are_a_tie() -> None:
    wide = {arm: Measured(100, 50, 150) for arm in ("none", "on-the-fly", "shards")}
    text = "\n".join(verdict(replace(FINDING, training_rates=wide)))
    assert "in training the difference can't be told from noise" in text
    assert "no time that could be measured" in text


def test_warnings() -> None:
    one_seed = {arm: values[:1] for arm, values in FINDING.accuracies.items()}
    doubtful = replace(FINDING, accuracies=one_seed, test_images=100, rounds=2, epochs=1)
    text = "\n".join(verdict(doubtful))
    assert "from one seed: nothing can be told" in text
    assert "With 100 test images one standard error of an accuracy is up to 5.0 points" in text
    assert "1 epochs never repeat a stored view" in text
    assert "store more copies" in text
