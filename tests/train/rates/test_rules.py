"""The four rules: on curves made by hand, and against what fast.ai's own code says of others."""

from __future__ import annotations

import numpy as np
import pytest

from augcli.train.rates.config import RULE_NAMES
from augcli.train.rates.rules import RULES, Curve, Values, minimum_tenth, slide, steep, suggest
from augcli.train.rates.rules import valley as valley_rule

STEPS = 100
RATES = 10 ** np.linspace(-7, 1, STEPS)


def curve(losses: list[float] | Values, diverged: bool = False) -> Curve:
    """At rates 1, 10, 100, …"""
    return Curve(10.0 ** np.arange(len(losses)), np.asarray(losses, np.float64), diverged)


def falling_then_rising(kind: str) -> Values:
    """As a smoothed loss goes; cut where it has risen to four times its lowest."""
    place = np.log10(RATES)
    losses = 2.3 - 1.2 / (1 + np.exp(-2 * (place + 2.5))) + np.exp(3 * (place - 0.2))
    if kind == "wavy":
        losses += 0.02 * np.sin(np.arange(STEPS))
    elif kind == "shallow":
        losses = 2.3 - 0.3 / (1 + np.exp(-(place + 4))) + 0.01 * np.exp(6 * (place + 0.5))
    ended: Values = losses[: int(np.argmax(losses > 4 * np.minimum.accumulate(losses))) + 1]
    return ended


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("smooth", (0.0114976, 0.00278256, 0.000247708, 0.000911163)),
        ("wavy", (0.00954548, 0.00191791, 0.00132194, 0.000247708)),
        ("shallow", (0.016681, 9.7701e-05, 0.000247708, 0.0178865)),
    ],
)
def test_the_rates_are_those_of_fast_ai(kind: str, expected: tuple[float, ...]) -> None:
    """`expected` came from the functions minimum, steep, valley and slide of fastai 2.7."""
    losses = falling_then_rising(kind)
    said = suggest(RATES[: len(losses)].tolist(), losses.tolist(), STEPS, diverged=True)
    found = tuple(said[name].rate for name in ("minimum/10", "steep", "valley", "slide"))
    assert found == pytest.approx(expected, rel=1e-5)


def test_minimum_tenth() -> None:
    assert minimum_tenth(curve([3, 2, 1, 2])).rate == 10.0
    assert minimum_tenth(curve([3, 2, 1], diverged=True)).rate == 10.0
    assert "lower rate" in minimum_tenth(curve([1, 2, 3])).reason
    assert "higher rate" in minimum_tenth(curve([3, 2, 1])).reason


def test_steep_counts_by_the_logarithm_of_the_rate() -> None:
    assert steep(curve([5, 4.5, 3, 2.5, 9])).rate == 10.0
    uneven = Curve(np.array([1.0, 2.0, 16.0]), np.array([5.0, 4.0, 2.0]), False)
    assert steep(uneven).rate == 1.0  # 1 nat over log 2, against 2 nats over log 8
    assert steep(curve([1, 1, 2])).rate is None


def test_valley_is_the_longest_fall_and_not_the_deepest() -> None:
    falls = [9.0, 1.0, *(8 - np.arange(9) / 10), 9.5]  # 9, then 8.0 to 7.2: ten in all, to place 10
    assert valley_rule(curve(falls)).rate == 10.0 ** (10 - 10 + 3 + 1)
    assert valley_rule(curve([1, 2, 3])).rate is None


def test_slide_stops_where_the_loss_is_level() -> None:
    losses = np.concatenate([np.full(30, 2.0), 2 + 0.01 * np.arange(1, 16) ** 2])
    found = slide(curve(losses))
    assert found.rate is not None
    assert 10 < np.log10(found.rate) < 30
    assert "does not rise" in slide(curve(np.full(30, 2.0))).reason
    assert "level nowhere" in slide(curve(np.arange(30.0) ** 2)).reason
    assert "15 steps" in slide(curve([3, 2, 1])).reason


def test_first_and_last_steps_are_not_looked_at() -> None:
    losses = np.linspace(3, 2, STEPS)
    losses[:10], losses[-5:] = 0.1, 50
    said = suggest(RATES.tolist(), losses.tolist(), STEPS, diverged=True)
    assert said["minimum/10"].rate == pytest.approx(RATES[-6] / 10)


@pytest.mark.parametrize("steps", [0, 1, 12, 17])
def test_a_test_that_ended_at_once_suggests_nothing_and_says_why(steps: int) -> None:
    said = suggest([1.0] * steps, [2.0] * steps, STEPS, diverged=True)
    assert {one.rate for one in said.values()} == {None}
    assert all(f"after {steps} of 100 steps" in one.reason for one in said.values())


def test_the_options_know_every_rule() -> None:
    assert sorted(RULE_NAMES) == sorted(RULES)
