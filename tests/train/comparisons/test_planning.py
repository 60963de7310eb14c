"""What is given up for a budget, and in which order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from augcli.train.comparisons.arms import wanted_arms
from augcli.train.comparisons.config import BenchmarkConfig
from augcli.train.comparisons.planning import Costs, Plan, fewer_seeds, plan_within

ARMS = wanted_arms(
    BenchmarkConfig(arms="none,on-the-fly,shards,residual,originals", copies="1,2,5,10", size=16)
).arms
NAMES = tuple(arm.name for arm in ARMS)
WISH = Plan(NAMES, epochs=20, seeds=5, corruptions=True, peers=("webdataset", "ffcv"))
COSTS = Costs(
    epoch=dict.fromkeys(NAMES, 1.0),
    training=dict.fromkeys(NAMES, 2.0),
    corruptions=50.0,
    corrupted=1.0,
    peer=10.0,
)


def plan(seconds: float) -> Plan:
    found = plan_within(WISH, ARMS, COSTS, seconds)
    assert COSTS.of(replace(found, gave_up=())) <= seconds
    return found


def test_enough_time_for_all() -> None:
    found = plan(10_000)
    assert found == replace(WISH, seeds=3)
    assert found.gave_up == ()


def test_what_goes_first() -> None:
    whole = COSTS.of(replace(WISH, seeds=3))
    found = plan(whole - 1)
    assert (found.peers, found.epochs, found.arms) == ((), 20, NAMES)
    assert found.gave_up == ("--against webdataset,ffcv",)
    found = plan(whole - 21)
    assert (found.epochs, found.arms) == (19, NAMES)
    assert found.gave_up[1:] == ("epochs: 19 instead of 20",)


def test_then_arms_the_ends_of_the_row_last() -> None:
    gone = []
    for seconds in range(700, 30, -10):
        for name in NAMES:
            if name not in plan(seconds).arms and name not in gone:
                gone.append(name)
    assert gone == [
        *("shards-2", "shards-5", "originals+on-the-fly", "shards-1+residual", "shards-1"),
    ]
    found = plan(200)
    assert found.arms == ("none", "on-the-fly", "shards-10")
    assert found.epochs >= 10 and found.seeds == 3


def test_seeds_and_the_second_half_of_the_epochs_go_last() -> None:
    for seconds in range(80, 700, 10):
        found = plan(seconds)
        if found.epochs < 10:
            assert found.seeds == 2 and not found.corruptions and len(found.arms) == 3
    assert fewer_seeds(5, plan(60).seeds) == ("seeds: 2 instead of 5",)
    assert fewer_seeds(2, 2) == ()


def test_too_little_for_anything() -> None:
    found = plan_within(WISH, ARMS, COSTS, 3.0)
    assert (found.epochs, found.seeds) == (1, 2)
    assert found.gave_up[-1] == "the rest still takes about 18 s, and 3 s are left"


@pytest.mark.parametrize("seconds", [60, 100, 200, 400])
def test_more_time_never_gives_less(seconds: int) -> None:
    less, more = plan(seconds), plan(seconds + 50)
    assert len(more.arms) >= len(less.arms) and more.seeds >= less.seeds
    assert set(less.arms) <= set(more.arms)
