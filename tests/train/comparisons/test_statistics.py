"""The statistics, against textbooks and against simulated trainings whose differences are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from augcli.train.comparisons.statistics import (
    Contrast,
    Residual,
    contrast,
    contrast_of_values,
    holm,
    interval,
    paired_difference,
    residual,
)


def recognised(
    rng: np.random.Generator,
    runs: int,
    effects: Sequence[float],
    *,
    seeds: int = 3,
    images: int = 300,
    by_seed: float | Sequence[float] = 0.1,
    by_image: float = 0.5,
    shared: float = 0.0,
) -> npt.NDArray[np.bool_]:
    """Truth values of shape (runs, arms, seeds, images), and none of the arms' doing but `effects`.

    All are shifts of log odds: `by_seed` of an arm with a seed (of each arm, perhaps), `shared` of
    a seed with all arms, `by_image` of an arm on an image; images differ in difficulty.
    """
    arms = len(effects)
    chances = rng.normal(1.1, 1.5, (runs, 1, 1, images)).astype(np.float32)
    chances = chances + rng.normal(0, by_image, (runs, arms, 1, images)).astype(np.float32)
    spreads = np.broadcast_to(by_seed, (arms,))[None, :, None, None]
    chances = chances + spreads * rng.normal(0, 1, (runs, arms, seeds, 1))
    chances = chances + rng.normal(0, shared, (runs, 1, seeds, 1)) if shared else chances
    chances = chances + np.asarray(effects)[None, :, None, None]
    odds = rng.logistic(size=(runs, arms, seeds, images)).astype(np.float32)
    found: npt.NDArray[np.bool_] = odds < chances
    return found


def binomial_error(share: float, runs: int) -> float:
    """Four standard errors of a share among `runs`."""
    return 4 * math.sqrt(share * (1 - share) / runs)


def contrasts(found: Any) -> list[Contrast]:
    """Each arm of (runs, arms, seeds, images) against the first, as an analysis does it."""
    pooled = residual(found.mean(axis=-1))
    return [contrast(found[:, 0], found[:, arm], pooled) for arm in range(1, found.shape[1])]


def test_interval_of_a_textbook_sample() -> None:
    """Student 1908: the extra hours of sleep, n = 10, t(9) = 2.262."""
    extra = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    found = interval(extra)
    assert found.mean == pytest.approx(1.58)
    assert found.half_width == pytest.approx(2.262 * 1.2299 / math.sqrt(10), rel=1e-3)
    assert found.excludes_zero()
    assert (found.low, found.high) == pytest.approx((0.700, 2.460), abs=1e-3)


def test_one_value_has_no_interval() -> None:
    found = interval([0.5])
    assert (found.mean, found.half_width) == (0.5, None)
    assert not found.excludes_zero()
    assert (found.low, found.high) == (0.5, 0.5)


@pytest.mark.parametrize("count", [2, 3, 5, 31])
def test_intervals_over_seeds_cover_the_truth_95_times_in_100(count: int) -> None:
    rng, runs = np.random.default_rng(count), 2000
    samples = [interval(list(row)) for row in rng.normal(3.0, 2.0, (runs, count))]
    covered = sum(abs(each.mean - 3.0) <= (each.half_width or 0) for each in samples)
    assert covered / runs == pytest.approx(0.95, abs=binomial_error(0.95, runs))


def test_pairing_removes_what_seeds_share() -> None:
    shared = np.random.default_rng(0).normal(0, 10, 5)
    found = paired_difference(list(shared + 1.0), list(shared))
    assert found.mean == pytest.approx(1.0)
    assert found.half_width == pytest.approx(0.0, abs=1e-9)
    with pytest.raises(ValueError, match="shorter"):
        paired_difference([1.0, 2.0], [1.0])


SETTINGS: dict[str, dict[str, Any]] = {
    "three seeds": {"arms": 5},
    "two seeds": {"arms": 5, "seeds": 2},
    "two arms": {"arms": 2, "seeds": 5},
    "seeds are all": {"arms": 5, "by_seed": 0.3, "by_image": 0.0},
    "images are all": {"arms": 5, "by_seed": 0.0, "by_image": 1.2},
    "lucky seeds": {"arms": 4, "seeds": 2, "shared": 0.5},
    "few images": {"arms": 4, "images": 60},
}


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS.keys())
def test_intervals_of_differences_cover_the_truth(setting: dict[str, Any]) -> None:
    """About 95 % over trainings and test images that both are new each time; rather more."""
    runs, shape = 1000, dict(setting)
    arms = shape.pop("arms")
    found = recognised(np.random.default_rng(1), runs, [0.0] * arms, **shape)
    covered = [np.abs(each.mean) <= each.half_width() for each in contrasts(found)]
    share = float(np.mean(covered))
    assert 0.95 - binomial_error(0.95, runs) < share < 0.985


def test_intervals_cover_a_difference_that_there_is() -> None:
    """Its size is the mean over many trainings and images."""
    rng, runs = np.random.default_rng(2), 1000
    large = recognised(rng, 40, [0.0, -0.4], seeds=20, images=2000).mean(axis=(0, 2, 3))
    truth = large[1] - large[0]
    [found] = contrasts(recognised(rng, runs, [0.0, -0.4], seeds=4))
    share = float(np.mean(np.abs(found.mean - truth) <= found.half_width()))
    assert 0.95 - binomial_error(0.95, runs) < share < 0.985


def test_arms_that_vary_more_than_others_are_not_taken_for_quiet() -> None:
    """One with three times the others' spread: pooling alone would cover it 88 times in 100."""
    runs = 1000
    found = recognised(
        np.random.default_rng(3), runs, [0.0] * 6, by_seed=[0.1] * 5 + [0.3], by_image=0.5
    )
    *others, loud = contrasts(found)
    assert np.mean(np.abs(loud.mean) <= loud.half_width()) > 0.91
    assert all(np.mean(np.abs(each.mean) <= each.half_width()) > 0.95 for each in others)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_equal_arms_are_seldom_told_apart(seeds: int) -> None:
    """Of six arms, any is called better or worse than the first in 5 of 100 benchmarks at most."""
    runs = 1000
    found = recognised(np.random.default_rng(4), runs, [0.0] * 6, seeds=seeds)
    p_values = np.stack([each.p_value() for each in contrasts(found)], axis=-1)
    wrong = float(np.mean((holm(p_values) < 0.05).any(axis=-1)))
    assert wrong < 0.05 + binomial_error(0.05, runs)
    assert np.mean((p_values < 0.05).any(axis=-1)) > wrong  # uncorrected there would be more


def test_true_differences_are_found() -> None:
    """5 points of 68 %, three seeds, 4000 images: nearly always; 1 point: seldom."""
    found = recognised(
        np.random.default_rng(5), 100, [0.0, -0.33, -0.066, 0.0], images=4000, by_seed=0.05
    )
    p_values = np.stack([each.p_value() for each in contrasts(found)], axis=-1)
    shares = (holm(p_values) < 0.05).mean(axis=0)
    assert found.mean(axis=(0, 2, 3))[:3] == pytest.approx((0.68, 0.63, 0.67), abs=0.01)
    assert shares[0] > 0.8
    assert shares[1] < 0.3


def test_p_value_and_interval_agree() -> None:
    found = recognised(np.random.default_rng(6), 300, [0.0, -0.15])
    [each] = contrasts(found)
    assert ((each.p_value() < 0.05) == (np.abs(each.mean) > each.half_width())).all()
    at_p = each.half_width(1 - each.p_value())
    assert at_p == pytest.approx(np.abs(each.mean), abs=1e-6)


def test_without_images_it_is_students_paired_test() -> None:
    rng = np.random.default_rng(7)
    first, second = rng.normal(0.7, 0.02, 5), rng.normal(0.72, 0.02, 5)
    found = contrast_of_values(first, second)
    expected = paired_difference(list(second), list(first))
    assert float(found.mean) == pytest.approx(expected.mean)
    assert float(found.half_width()) == pytest.approx(expected.half_width)


def test_one_seed_knows_of_images_only() -> None:
    """McNemar's standard error: 40 of 500 images differ."""
    first = np.zeros((1, 500), bool)
    second = first.copy()
    second[0, :40] = True
    found = contrast(first, second)
    assert float(found.mean) == pytest.approx(0.08)
    error = math.sqrt(40 - 40**2 / 500 + 2) / 500
    assert float(found.half_width()) == pytest.approx(1.9647 * error, rel=2e-3)
    assert np.isnan(found.p_value())


@pytest.mark.parametrize(("gained", "exact"), [(4, 0.125), (6, 0.031), (9, 0.0039)])
def test_few_images_that_differ(gained: int, exact: float) -> None:
    """Where seeds all say the same, images decide: about as McNemar's exact test does."""
    first = np.zeros((3, 400), bool)
    second = first.copy()
    second[:, :gained] = True
    p = float(contrast(first, second, Residual(np.zeros(()), 10)).p_value())
    assert p == pytest.approx(exact, rel=0.7)


def test_same_predictions_are_no_difference() -> None:
    same = recognised(np.random.default_rng(8), 1, [0.0])[0, 0]
    found = contrast(same, same)
    assert (float(found.mean), float(found.p_value())) == (0.0, 1.0)
    assert 0 < found.half_width() < 0.02


def test_residual_is_that_of_an_analysis_of_variance() -> None:
    """Box, Hunter and Hunter 1978, penicillin: four treatments in five blocks, 18.83 with 12."""
    blocks = [
        [89, 84, 81, 87, 79],
        [88, 77, 87, 92, 81],
        [97, 92, 87, 89, 80],
        [94, 79, 85, 84, 88],
    ]
    found = residual(np.array(blocks, float))
    assert found is not None
    assert (float(found.variance), found.freedom) == (pytest.approx(18.83, abs=0.01), 12)
    assert residual(np.ones((1, 5))) is None
    assert residual(np.ones((5, 1))) is None


def test_holm_by_hand() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.6, 0.9])) == pytest.approx([1.0, 1.0])
    assert holm(np.array([0.02])) == pytest.approx([0.02])
