"""Who is best, how sure that is, and what is said of it."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest

from augcli.train.comparisons.statistics import interval
from augcli.train.metrics import wilson_interval
from augcli.train.sweeps.config import SweepConfig
from augcli.train.sweeps.course import Ended
from augcli.train.sweeps.domains import Values
from augcli.train.sweeps.findings import findings
from augcli.train.sweeps.reading import parse_space
from augcli.train.sweeps.space import Space
from augcli.train.sweeps.standings import can_be_told_apart, effects, standings
from augcli.train.sweeps.trial import DIVERGED, FINISHED, Measured, Outcome, Trial

SPACE = parse_space(SweepConfig(lr="0.001,0.01,0.1", sched="cosine,step"))


def ended(
    values: Values, seed: int, accuracy: float | None, loss: float = 1.0, images: int = 100
) -> Ended:
    """A training; None: it diverged."""
    config = dataclasses.replace(SPACE.config(values, seed), out=Path("x"))
    if accuracy is None:
        return Ended(Trial(values, config), Outcome(DIVERGED, "nan"))
    measured = Measured(3, accuracy, loss, images, accuracy - 0.1, 5.0)
    return Ended(Trial(values, config), Outcome(FINISHED, measured=measured))


def values(lr: float, sched: str = "cosine") -> Values:
    return {"lr": lr, "sched": sched}


def of_seeds(of: Values, *accuracies: float | None, images: int = 100) -> list[Ended]:
    return [ended(of, seed, each, images=images) for seed, each in enumerate(accuracies)]


def test_ranked_by_the_mean_on_validation_and_what_diverged_last() -> None:
    found = standings(
        [
            *of_seeds(values(0.1), 0.95, None),
            *of_seeds(values(0.01), 0.9, 0.7),
            *of_seeds(values(0.001), 0.81, 0.81),
            *of_seeds(values(0.001, "step"), None, None),
        ]
    )
    assert [each.values["lr"] for each in found] == [0.001, 0.01, 0.1, 0.001]
    assert [each.accuracy for each in found] == pytest.approx([0.81, 0.8, 0.95, None])
    assert [each.state for each in found] == [FINISHED, FINISHED, DIVERGED, DIVERGED]
    assert found[1].test_accuracy == pytest.approx(0.7)


def test_test_images_have_no_say_and_loss_breaks_ties() -> None:
    worse = ended(values(0.1), 0, 0.8, loss=0.9)
    assert worse.outcome.measured is not None
    on_test = dataclasses.replace(worse.outcome.measured, test_accuracy=1.0)
    worse = Ended(worse.trial, dataclasses.replace(worse.outcome, measured=on_test))
    found = standings([worse, ended(values(0.01), 0, 0.8, loss=0.5)])
    assert found[0].values["lr"] == 0.01


def test_intervals_are_wilson_s_of_one_seed_and_student_s_too_of_several() -> None:
    [one] = standings(of_seeds(values(0.1), 0.8))
    assert one.bounds == wilson_interval(80, 100)
    [three] = standings(of_seeds(values(0.1), 0.8, 0.82, 0.9))
    seeds, (low, high) = interval([0.8, 0.82, 0.9]), wilson_interval(84, 100)
    assert seeds.half_width is not None
    below, above = (math.hypot(seeds.half_width, 0.84 - end) for end in (low, high))
    assert three.bounds == pytest.approx((0.84 - below, 0.84 + above))
    [wide] = standings(of_seeds(values(0.1), 0.1, 0.9))
    assert wide.bounds == (0.0, 1.0)


def test_seeds_that_agree_leave_the_chance_of_the_images() -> None:
    """Accuracies are multiples of 1 / images: that few of them coincide is no certainty."""
    [same] = standings(of_seeds(values(0.1), 0.75, 0.75, images=40))
    assert same.bounds == wilson_interval(30, 40)
    few, many = (
        standings(
            of_seeds(values(0.1), 0.75, 0.7, images=images)
            + of_seeds(values(0.01), 0.725, 0.675, images=images)
        )
        for images in (40, 40_000)
    )
    assert not can_be_told_apart(*few)
    assert can_be_told_apart(*many)
    whole = standings(
        of_seeds(values(0.1), 1.0, 1.0, images=40) + of_seeds(values(0.01), 0.975, 0.975, images=40)
    )
    assert not can_be_told_apart(*whole)


def test_seeds_are_paired_to_tell_combinations_apart() -> None:
    """Each is all over the place, but one always beats the other by as much."""
    better, worse = standings(
        of_seeds(values(0.1), 0.9, 0.7, 0.5, images=10_000)
        + of_seeds(values(0.01), 0.88, 0.679, 0.481, images=10_000)
    )
    assert can_be_told_apart(better, worse)
    better, worse = standings(
        of_seeds(values(0.1), 0.9, 0.7, 0.5) + of_seeds(values(0.01), 0.5, 0.7, 0.88)
    )
    assert not can_be_told_apart(better, worse)
    better, worse = standings(of_seeds(values(0.1), 0.9) + of_seeds(values(0.01), 0.85))
    assert not can_be_told_apart(better, worse)
    better, worse = standings(of_seeds(values(0.1), 0.9) + of_seeds(values(0.01), 0.5))
    assert can_be_told_apart(better, worse)


def test_effects_average_over_all_others() -> None:
    found = standings(
        [
            ended(values(0.01), 0, 0.8),
            ended(values(0.01, "step"), 0, 0.6),
            ended(values(0.1), 0, 0.5),
            ended(values(0.1, "step"), 0, None),
        ]
    )
    by_value = {(e.option, e.value): e for e in effects(SPACE, found)}
    assert by_value["lr", "0.01"].mean == pytest.approx(0.7)
    assert by_value["lr", "0.1"].mean == 0.5 and by_value["lr", "0.1"].whole == 1
    assert by_value["lr", "0.1"].combinations == 2
    assert by_value["lr", "0.001"].mean is None
    assert by_value["sched", "cosine"].mean == pytest.approx(0.65)


def test_effects_of_a_range_are_those_of_its_thirds() -> None:
    space = parse_space(SweepConfig(search="tpe", lr="1e-4..1e-1"))
    found = standings([ended({"lr": 0.0005}, 0, 0.4), ended({"lr": 0.05}, 0, 0.6)])
    assert [(e.value, e.mean) for e in effects(space, found)] == [
        ("0.0001–0.001", 0.4), ("0.001–0.01", None), ("0.01–0.1", 0.6),
    ]  # fmt: skip


def said(space: Space, *all_ended: Ended) -> str:
    return "\n".join(findings(space, standings(all_ended)))


def test_what_is_said() -> None:
    text = said(
        SPACE,
        *of_seeds(values(0.1), 0.9, 0.9, 0.91),
        *of_seeds(values(0.01), 0.89, 0.9, 0.91),
        *of_seeds(values(0.001), 0.1, 0.1, 0.11),
        *of_seeds(values(0.1, "step"), None, None, None),
    )
    assert "Best: lr 0.1, sched cosine: 90.3% of 100 validation images" in text
    assert "(95 % interval for the chance of the images and over 3 seeds: 82.4% to 94.7%)" in text
    assert "1 of 2 others can't be told from it (paired by seed). The best of many" in text
    assert "--lr 0.1 is at the high end of what was tried" in text
    assert "1 combination diverged: lr 0.1, sched step." in text
    assert "On test images the best has 80.3%: for information" in text


@pytest.mark.parametrize(
    ("options", "best", "end"),
    [
        ({"lr": "0.1,0.2,0.3"}, {"lr": 0.1}, "low"),
        ({"lr": "0.3,0.2,0.1"}, {"lr": 0.3}, "high"),
        ({"lr": "0.1,0.2,0.3"}, {"lr": 0.2}, None),
        ({"lr": "0.1,0.2"}, {"lr": 0.2}, None),  # of two, one must be
        ({"weight_decay": "0,0.1,1"}, {"weight_decay": 0.0}, None),  # there is nothing below
        ({"lr": "1e-4..1", "search": "tpe"}, {"lr": 0.9}, "high"),
        ({"lr": "1e-4..1", "search": "tpe"}, {"lr": 0.5}, None),
    ],
)
def test_a_best_at_the_edge_is_told(options: dict[str, Any], best: Values, end: str | None) -> None:
    text = said(parse_space(SweepConfig(**options)), ended(best, 0, 0.5))
    assert (f"is at the {end} end" in text) if end else ("end of what" not in text)
