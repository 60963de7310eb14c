"""A run by the clock: how long is a duration, and how many epochs fit into what is left."""

from __future__ import annotations

import pytest

from augcli.manifests.errors import UsageError
from augcli.train.budget import parse_duration
from augcli.train.order import Share
from augcli.train.pace import Stage, Timeline
from augcli.train.planning import (
    MARGIN,
    Costs,
    Probed,
    costs_of,
    epochs_that_fit,
    next_mark,
)
from augcli.train.record import Row

STAGES = (Stage(0, 16, 8), Stage(500, 32, 8))


def timeline(*marks: int, stages: tuple[Stage, ...] = STAGES) -> Timeline:
    return Timeline(stages, 80, Share(), 1000, (0, *marks))


def row(epoch: int, size: int, seconds: float, validation_seconds: float = 1.0) -> Row:
    return Row(
        epoch, 1.0, 0.5, 1.0, 0.5, 0.1, seconds, 0.0, 1.0,
        validation_seconds=validation_seconds, size=size, batch_size=8,
    )  # fmt: skip


def test_durations() -> None:
    texts = {"90s": 90, "6m": 360, "1h30m": 5400, "1.5m": 90, "2H": 7200, "1h1m1s": 3661}
    assert {text: parse_duration("--budget", text) for text in texts} == texts
    for text in ("", "6", "0s", "9" * 400 + "h", "m", "-5m", "5m1h", "6 minutes", "٣m"):
        with pytest.raises(UsageError, match="--budget"):
            parse_duration("--budget", text)


def replayed(course: Timeline, costs: Costs, seconds: float) -> tuple[int, float]:
    """Epochs of a run whose costs are as foretold, and the time left at its end."""
    while not course.is_whole:
        count = epochs_that_fit(course, costs, seconds)
        if not count:
            break
        seconds -= costs.training[STAGES.index(course.stage(course.planned))] + costs.between
        course = course.with_mark(next_mark(course, count))
    return course.planned, seconds - costs.finish if course.is_whole else -1.0


@pytest.mark.parametrize("seconds", [12.0, 20.0, 61.0, 100.0, 1234.0])
@pytest.mark.parametrize("times", [1.0, 4.0])
def test_what_is_planned_fits_and_fills_the_time(seconds: float, times: float) -> None:
    costs = Costs((2.0, 2.0 * times), between=1.0, finish=3.0)
    epochs, left = replayed(timeline(), costs, seconds)
    most = 2.0 * times + 1.0
    assert 0 <= left < most + 0.5
    assert epochs == pytest.approx(epochs_that_fit(timeline(), costs, seconds), rel=0.02)


def test_epochs_count_by_the_stage_that_they_begin_in() -> None:
    costs = Costs((1.0, 10.0), between=0.0, finish=0.0)
    assert epochs_that_fit(timeline(), costs, 1.0) == 1  # the only one begins small
    assert epochs_that_fit(timeline(), costs, 10.9) == 1
    assert epochs_that_fit(timeline(), costs, 11.0) == 2
    assert epochs_that_fit(timeline(), costs, 12.0) == 3  # at 0, 333 and 666
    assert epochs_that_fit(timeline(500), costs, 9.0) == 0
    assert epochs_that_fit(timeline(990), costs, 35.0) == 3
    assert epochs_that_fit(timeline(990), costs, 1e9) == 10  # a nominal step each


def test_no_plan_stands_still_and_the_last_reaches_the_end() -> None:
    assert next_mark(timeline(400), 1) == 1000
    assert next_mark(timeline(400), 7) == 486
    assert next_mark(timeline(990), 10) == 991


def costs(rows: list[Row], probed: Probed | None = None) -> Costs:
    return costs_of(timeline(), rows, probed, validated=20, finally_seen=40, other_seconds=0.5)


def test_costs_are_those_of_recent_epochs() -> None:
    rows = [row(1, 16, 9.0, 3.0), row(2, 16, 2.0), row(3, 16, 2.2), row(4, 16, 2.1)]
    found = costs([*rows, row(5, 32, 5.0)])
    assert found.training == pytest.approx((2.1 * MARGIN, 5.0 * MARGIN))
    assert found.between == pytest.approx(1.0 * MARGIN + 0.5)
    assert found.finish == pytest.approx(40 * 3.0 / 20 + 0.5 + 2.0), "as slow as the first time"


def test_a_size_that_no_epoch_had_differs_by_what_it_computes() -> None:
    rows = [row(1, 16, 2.0)]
    probed = Probed(9.9, {16: 0.01, 32: 0.03}, 0.1)
    assert costs(rows, probed).training == pytest.approx((2.0 * MARGIN, (2.0 + 80 * 0.02) * MARGIN))
    assert costs(rows).training == pytest.approx((2.0 * MARGIN, 8.0 * MARGIN)), "by pixels"


def test_before_the_first_epoch_ends_costs_are_as_probed() -> None:
    found = costs([], Probed(4.0, {16: 0.01, 32: 0.03}, 0.1))
    assert found.training == pytest.approx((4.0 * MARGIN, 5.6 * MARGIN))
    assert (found.between, found.finish) == pytest.approx((20 * 0.1 + 0.5, 40 * 0.1 + 2.5))
