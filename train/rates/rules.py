"""Which learning rate a range test speaks for: the four rules of fast.ai, as pure functions.

https://docs.fast.ai/callback.schedule.html defines them on the smoothed loss of a test whose rates
rise; where they find a rate, it is the one that fast.ai finds. All but `minimum/10` look at how the
loss falls from step to step, so their answers change with the number of steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

SKIPPED_SHARE = 0.1
"""Of the planned steps: so many first ones, in which the average settles, are not looked at."""
SKIPPED_LAST = 5
"""Steps before the end that are not looked at: there the loss of a diverging model leaps."""
LEAST_POINTS = 3
SLIDE_STEPS = 15
"""Width of the interval that `slide` moves."""
SLIDE_THRESHOLD = 0.005
"""Difference of the slopes at the interval's ends, in nats per step, that `slide` calls level."""


@dataclass(frozen=True)
class Suggestion:
    """What one rule says."""

    rate: float | None
    """The learning rate; None where the rule finds nothing."""
    reason: str = ""
    """Why it finds nothing."""


@dataclass(frozen=True)
class Curve:
    """What a rule looks at: float64 (steps,), the rates rising, the losses smoothed, in nats."""

    rates: Values
    losses: Values
    diverged: bool
    """Whether the test ended because the loss rose too far, or was no number any more."""


def minimum_tenth(curve: Curve) -> Suggestion:
    """A tenth of the rate at which the loss is lowest."""
    place = int(curve.losses.argmin())
    if place == 0:
        return Suggestion(None, "the loss is lowest at the start: begin with a lower rate")
    if place == len(curve.losses) - 1 and not curve.diverged:
        return Suggestion(None, "the loss still falls at the end: go on to a higher rate")
    return Suggestion(float(curve.rates[place]) / 10)


def steep(curve: Curve) -> Suggestion:
    """The rate at which the loss falls fastest, by the logarithm of the rate."""
    slopes = np.diff(curve.losses) / np.diff(np.log(curve.rates))
    place = int(slopes.argmin())
    if slopes[place] >= 0:
        return Suggestion(None, "the loss falls nowhere")
    return Suggestion(float(curve.rates[place]))


def valley(curve: Curve) -> Suggestion:
    """Half-way down the longest valley: ESRI's rule, which fast.ai has for its default.

    The valley is the longest sequence of ever lower losses, not all of them neighbours; it is
    taken to lie in as many steps before its lowest point. The rate is that after a third of these
    steps and half a third more.
    """
    losses = curve.losses
    lengths = np.ones(len(losses), np.int64)
    for place in range(1, len(losses)):
        higher = lengths[:place][losses[:place] > losses[place]]
        lengths[place] = 1 + higher.max(initial=0)
    end = int(lengths.argmax())
    length = int(lengths[end])
    if length == 1:
        return Suggestion(None, "the loss falls nowhere")
    place = end - length + int(length / 3) + int(length / 3 / 2)
    return Suggestion(float(curve.rates[max(0, place)]))


def slide(curve: Curve) -> Suggestion:
    """The end of the level part before the loss rises: A. Chang's rule, of Novetta.

    An interval slides down from the highest rate while the slopes at its ends differ; its lower
    end is where it stops.
    """
    if len(curve.losses) <= SLIDE_STEPS:
        return Suggestion(None, f"the test has no more than {SLIDE_STEPS} steps to look at")
    slopes = np.gradient(curve.losses)
    level = np.abs(slopes[SLIDE_STEPS:] - slopes[:-SLIDE_STEPS]) <= SLIDE_THRESHOLD
    if level[-1]:
        return Suggestion(None, "the loss does not rise at the end: go on to a higher rate")
    if not level.any():
        return Suggestion(None, "the loss is level nowhere before it rises")
    return Suggestion(float(curve.rates[np.flatnonzero(level)[-1] + 1]))


def first_settled(planned_steps: int) -> int:
    """The step from which on a test is looked at."""
    return int(planned_steps * SKIPPED_SHARE)


RULES: dict[str, Callable[[Curve], Suggestion]] = {
    "minimum/10": minimum_tenth,
    "steep": steep,
    "valley": valley,
    "slide": slide,
}


def suggest(
    rates: Sequence[float], smoothed: Sequence[float], planned_steps: int, diverged: bool
) -> dict[str, Suggestion]:
    """What each rule says of a test that was to have `planned_steps`, by the rule's name.

    `rates` rise, and `smoothed` are the losses there, all finite.
    """
    seen = slice(first_settled(planned_steps), -SKIPPED_LAST)
    curve = Curve(np.asarray(rates)[seen], np.asarray(smoothed)[seen], diverged)
    if len(curve.rates) < LEAST_POINTS:
        why = f"the test ended after {len(rates)} of {planned_steps} steps: begin with a lower rate"
        return {name: Suggestion(None, why) for name in RULES}
    return {name: rule(curve) for name, rule in RULES.items()}
