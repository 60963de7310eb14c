"""A learning rate for each layer group, from a list or from a factor."""

from __future__ import annotations

import itertools
import math

import pytest

from augcli.manifests.errors import UsageError
from augcli.train.group_rates import group_rates, parse_lrs
from augcli.train.layer_groups import LayerGroup


def groups(count: int) -> tuple[LayerGroup, ...]:
    names = ["stem", *(f"stage {number}" for number in range(1, count - 1)), "head"]
    return tuple(LayerGroup(name, (), ()) for name in names)


@pytest.mark.parametrize(
    ("count", "lrs", "expected"),
    [
        (6, [1, 2, 3], [1, 1, 1, 2, 2, 3]),  # a resnet, as fast.ai cuts it
        (4, [1, 2, 3], [1, 1, 2, 3]),
        (7, [1, 2, 3], [1, 1, 1, 2, 2, 2, 3]),
        (3, [1, 2, 3], [1, 2, 3]),
        (6, [1, 2], [1, 1, 1, 1, 1, 2]),
        (6, [1], [1, 1, 1, 1, 1, 1]),
        (6, [0, 2, 3, 4], [0, 0, 2, 2, 3, 4]),
        (6, [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]),
    ],
)
def test_rates_are_spread(count: int, lrs: list[float], expected: list[float]) -> None:
    assert group_rates(9.0, groups(count), lrs=lrs) == expected


@pytest.mark.parametrize("count", range(2, 9))
@pytest.mark.parametrize("rates", range(1, 9))
def test_each_rate_is_used_in_order_and_the_last_by_the_head(count: int, rates: int) -> None:
    lrs = [10.0**-power for power in range(rates)]
    if rates > count:
        with pytest.raises(UsageError, match=rf"--lrs .*at most {count}.*stem.*head"):
            group_rates(1.0, groups(count), lrs=lrs)
        return
    spread = group_rates(1.0, groups(count), lrs=lrs)
    assert list(dict.fromkeys(spread)) == lrs and len(spread) == count
    assert rates == 1 or spread.count(lrs[-1]) == 1


@pytest.mark.parametrize("mult", [1.0, 3.0, 10.0])
def test_a_factor_between_each_group_and_the_next(mult: float) -> None:
    rates = group_rates(0.01, groups(6), mult=mult)
    assert rates[-1] == 0.01 and len(rates) == 6
    for earlier, later in itertools.pairwise(rates):
        assert later / earlier == pytest.approx(mult)


def test_one_rate_for_all_unless_asked() -> None:
    assert group_rates(0.3, groups(4)) == [0.3] * 4


@pytest.mark.parametrize("mult", [0.5, 0.0, -3.0, math.inf, math.nan])
def test_a_factor_that_can_not_be(mult: float) -> None:
    with pytest.raises(UsageError, match=r"--lr-mult .*1 or more"):
        group_rates(0.1, groups(4), mult=mult)


@pytest.mark.parametrize("lrs", [[], [-1e-3, 1e-2], [math.nan], [math.inf, 1.0]])
def test_rates_that_can_not_be(lrs: list[float]) -> None:
    with pytest.raises(UsageError, match=r"--lrs .*0 or more"):
        group_rates(0.1, groups(4), lrs=lrs)


def test_only_one_of_both() -> None:
    with pytest.raises(UsageError, match="--lrs and --lr-mult"):
        group_rates(0.1, groups(4), lrs=[0.1], mult=3)


def test_the_option_as_text() -> None:
    assert parse_lrs("1e-4,1e-3, 0.01") == (1e-4, 1e-3, 0.01)
    for text in ("", "1e-4;1e-3", "fast", "1,,2"):
        with pytest.raises(UsageError, match=r"--lrs .*1e-4,1e-3,1e-2"):
            parse_lrs(text)
