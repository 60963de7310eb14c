"""What follows from measurements whose truth is known."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from augcli.train.comparisons.analysis import analyse
from augcli.train.comparisons.differences import BETTER, ONE_SEED, UNTOLD, WORSE
from augcli.train.comparisons.measurements import Measurements

PLAIN: dict[str, Any] = {"residual": False, "corrupted": False}
POLICIES = ("rotate-flip", "autoaugment")


def outcomes(measurements: Measurements) -> dict[str, str | None]:
    arms = analyse(measurements).arms
    return {row.arm.name: row.difference.outcome if row.difference else None for row in arms}


def test_arms_are_held_against_on_the_fly(make: Any) -> None:
    measurements = make(images=2000)
    found = outcomes(measurements)
    assert found["on-the-fly"] is None
    assert found["none"] == found["shards-1"] == WORSE
    assert found["shards-10"] == found["originals+on-the-fly"] == UNTOLD
    row = analyse(measurements).of("none")
    by_arm = {arm: measurements.trainings_of(arm) for arm in ("none", "on-the-fly")}
    means = {arm: sum(t.accuracy for t in of) / len(of) for arm, of in by_arm.items()}
    assert row.difference is not None and row.difference.half_width is not None
    assert row.difference.mean == pytest.approx(means["none"] - means["on-the-fly"])
    assert row.accuracy.mean == pytest.approx(means["none"])
    assert row.corrupted_difference is not None and row.corrupted_difference.outcome == WORSE


def test_one_seed_tells_nothing_but_has_intervals_of_images(make: Any) -> None:
    analysis = analyse(make(seeds=1))
    row = analysis.of("none")
    assert row.difference is not None
    assert (row.difference.outcome, row.difference.chance) == (ONE_SEED, None)
    assert row.difference.half_width is not None and row.difference.seeds_error is None
    assert row.accuracy.half_width is None
    assert row.corrupted_difference is not None and row.corrupted_difference.half_width is None
    assert not analysis.copies[0].is_known and analysis.copies[0].enough is None


def test_more_arms_raise_the_bar(make: Any) -> None:
    """The same trainings of two arms, alone and among many."""
    many = make(images=900)
    arms = tuple(arm for arm in many.arms if arm.name in ("on-the-fly", "shards-2"))
    trainings = tuple(t for t in many.trainings if t.arm in ("on-the-fly", "shards-2"))
    few = replace(many, arms=arms, trainings=trainings)
    alone = analyse(few).of("shards-2").difference
    among = analyse(many).of("shards-2").difference
    assert alone is not None and among is not None
    assert alone.mean == among.mean
    assert alone.chance is not None and among.chance is not None
    assert among.chance > 3 * analyse_chance(many, "shards-2")
    assert alone.half_width is not None and among.half_width is not None
    assert alone.half_width > among.half_width  # but the variance is known better


def analyse_chance(measurements: Measurements, arm: str) -> float:
    """Uncorrected: of the only comparison."""
    from augcli.train.comparisons.differences import Compared

    return float(Compared.of(measurements).contrast(arm, "on-the-fly").p_value())


def test_enough_copies(make: Any) -> None:
    [copies] = analyse(make(images=6000, noise=0.01)).copies
    assert copies.counts == (1, 2, 5, 10)
    assert copies.enough == 5  # 1 and 2 are worse in truth, 5 and 10 are not
    assert copies.missed is not None and copies.missed.high > 0
    assert copies.is_sure and copies.advised in ("shards-5", "shards-10")


def test_when_in_doubt_the_most_copies_are_advised(make: Any) -> None:
    [copies] = analyse(make(seeds=2, images=200)).copies
    assert (copies.advised, copies.is_sure) == ("shards-10", False)


def test_when_all_copies_are_worse_none_is_enough(make: Any) -> None:
    effects = {f"shards-{k}": -0.8 for k in (1, 2, 5, 10)}
    [copies] = analyse(make(effects=effects, images=2000)).copies
    assert copies.enough is None and copies.is_known
    assert copies.advised == "shards-10"


def test_break_even(make: Any) -> None:
    """R E (c_fly - c_read) > cost, by hand."""
    measurements = make(images=200)
    found = analyse(measurements).of("shards-5")
    rows = {row.arm: row for row in measurements.throughput.arms}
    saved = 3068 / rows["on-the-fly"].training.median - 3068 / rows["shards-5"].training.median
    assert found.pay_back is not None
    assert found.pay_back.seconds == 4.0 + 6.5 * 5
    assert found.pay_back.epochs == pytest.approx(found.pay_back.seconds / saved)
    assert found.pay_back.runs == pytest.approx(found.pay_back.epochs / 30)
    assert found.pay_back.cpu_epochs == pytest.approx(
        (7.0 + 12.6 * 5) / (3068 * (10.4e-3 - 0.7e-3))
    )
    assert found.pay_back.least is not None and found.pay_back.most is not None
    assert found.pay_back.least < found.pay_back.epochs < found.pay_back.most
    assert found.speed is not None and found.speed.is_faster
    assert found.speed.factor == pytest.approx(410 / 180, rel=0.05)


@pytest.mark.parametrize(
    "rates",
    [
        {"on-the-fly": 425.0, "shards": 428.0},  # the step is the bound
        {"on-the-fly": 300.0, "shards": 301.0},  # a tie
        {"on-the-fly": 300.0, "shards": 200.0},
    ],
)
def test_what_saves_no_time_never_pays_back(make: Any, rates: dict[str, float]) -> None:
    found = analyse(make(rates=rates, images=200)).of("shards-5").pay_back
    assert found is not None
    assert (found.epochs, found.runs, found.least) == (None, None, None)
    assert found.cpu_epochs is not None


def test_policies_in_both_modes(make: Any) -> None:
    effects = {"none": -0.9, "on-the-fly:autoaugment": -0.4, "shards-1:autoaugment": -0.6}
    measurements = make(policies=POLICIES, copies=(1, 5), images=3000, effects=effects)
    analysis = analyse(measurements)
    found = analysis.policies
    assert found is not None
    assert (found.none, found.best, found.second) == ("none", "rotate-flip", "autoaugment")
    assert found.is_told and found.lead.outcome == BETTER
    rows = {row.policy: row for row in found.rows}
    assert list(rows) == list(POLICIES)
    assert rows["autoaugment"].fresh == "on-the-fly:autoaugment"
    assert rows["autoaugment"].stored == "shards-5:autoaugment"
    gain = rows["rotate-flip"].gain
    assert gain is not None and gain.outcome == BETTER
    assert [copies.policy for copies in analysis.copies] == list(POLICIES)  # the best first
    assert analysis.of("shards-1:autoaugment").baseline == "on-the-fly:autoaugment"
    assert analyse(replace(measurements, policies=("none", *POLICIES))) == analysis


def test_the_best_policy_comes_first(make: Any) -> None:
    effects = {"none": -0.9, "on-the-fly:rotate-flip": -0.6}
    analysis = analyse(make(policies=POLICIES, copies=(5,), images=2000, effects=effects))
    assert analysis.copies[0].policy == "autoaugment"


def test_one_policy_makes_no_table_of_them(make: Any) -> None:
    assert analyse(make(images=200)).policies is None


def test_classes(make: Any) -> None:
    effects = {"shards-1": -1.5}
    measurements = make(copies=(1,), effects=effects, images=1800, **PLAIN)
    rows = analyse(measurements).classes
    assert [row.name for row in rows] == list(measurements.classes)
    assert all(row.images == 200 for row in rows)
    assert all(row.difference is not None and row.difference.outcome == WORSE for row in rows)
    hat = rows[1]
    assert hat.difference is not None
    assert hat.difference.mean == pytest.approx(hat.recalls["shards-1"] - hat.recalls["on-the-fly"])
    assert set(hat.recalls) == {"none", "on-the-fly", "shards-1"}


def test_classes_without_labels_or_images(make: Any) -> None:
    """A class that no test image has, and measurements that don't say which is of which class."""
    measurements = make(copies=(1,), images=200, **PLAIN)
    unlabelled = analyse(replace(measurements, labels=())).classes
    assert all(row.difference is None and row.images is None for row in unlabelled)
    assert unlabelled[0].recalls["on-the-fly"] > 0
    trainings = tuple(replace(t, recalls=(*t.recalls, None)) for t in measurements.trainings)
    classes = (*measurements.classes, "unseen")
    *_, unseen = analyse(replace(measurements, classes=classes, trainings=trainings)).classes
    assert (unseen.images, unseen.difference, unseen.recalls) == (0, None, {})


@pytest.mark.parametrize("kept", [("none", "shards-5"), ("on-the-fly",), ("none", "on-the-fly")])
def test_arms_that_are_not_there(make: Any, kept: tuple[str, ...]) -> None:
    """A budget may leave out any."""
    whole = make(images=200)
    few = replace(
        whole,
        arms=tuple(arm for arm in whole.arms if arm.name in kept),
        trainings=tuple(t for t in whole.trainings if t.arm in kept),
        throughput=replace(whole.throughput, arms=()),
    )
    analysis = analyse(few)
    assert [row.arm.name for row in analysis.arms] == list(kept)
    assert analysis.copies == () and analysis.classes == ()
    assert all(row.rate is None and row.pay_back is None for row in analysis.arms)


def test_no_trainings_at_all(make: Any) -> None:
    analysis = analyse(replace(make(images=200), trainings=()))
    assert (analysis.arms, analysis.copies, analysis.seeds) == ((), (), ())


def test_analysis_is_json(make: Any) -> None:
    content = analyse(make(images=200)).to_json()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
