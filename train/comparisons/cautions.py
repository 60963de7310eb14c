"""What a reader of the results should beware of."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterator

from augcli.train.comparisons.analysis import Analysis
from augcli.train.comparisons.copies import MARGIN
from augcli.train.comparisons.differences import Difference
from augcli.train.comparisons.measurements import SHARDS, Measurements
from augcli.train.comparisons.speeds import is_step_bound, spread
from augcli.train.comparisons.wording import counted, listed, percent, split_name

STRONG = {"autoaugment", "randaugment", "trivialaugment", "augmix", "augmentor"}
"""Policies of which one stored draw is a poor stand-in for the image."""
MAX_SPREAD = 1.25
"""Measurements of the same rate that differ by more were disturbed."""
NEAR_CHANCE = 1.5
"""Times the accuracy of guessing: so little learned says little about augmentation."""
MAX_SEEDS = 50
"""More are no advice."""


def cautions(measurements: Measurements, analysis: Analysis) -> tuple[str, ...]:
    """In plain sentences, the most important first."""
    return (
        *_power(measurements, analysis),
        *_repetition(analysis),
        *_strong(analysis),
        *_step_bound(analysis),
        *_learned(measurements, analysis),
        *_disturbed(measurements),
    )


def _power(measurements: Measurements, analysis: Analysis) -> Iterator[str]:
    """Whether a difference of a point would be seen."""
    found = [row.difference for row in analysis.arms if row.difference is not None]
    images = f"{measurements.test_images:,} {split_name(measurements.split)} images"
    if not found:
        return
    if len(analysis.seeds) == 1:
        yield (
            "With one seed nothing can be said about other trainings: intervals know only the "
            f"chance of these {images}. Take --seeds 3 or more."
        )
        return
    usual = statistics.median(each.half_width or 0.0 for each in found)
    if usual > MARGIN:
        yield (
            f"With {images} and {len(analysis.seeds)} seeds, differences below about "
            f"{percent(usual)} points don't show{_remedy(len(analysis.seeds), found)}."
        )


def _remedy(seeds: int, found: list[Difference]) -> str:
    by_images = statistics.median(each.images_error or 0.0 for each in found)
    by_seeds = statistics.median(each.seeds_error or 0.0 for each in found)
    left = (MARGIN / 2) ** 2 - by_images**2
    if left <= 0:
        return (
            f"; with any number of seeds so few images leave {percent(2 * by_images)}: take more "
            "of them"
        )
    wanted = math.ceil(seeds * by_seeds**2 / left)
    if wanted > MAX_SEEDS:
        return ""
    return f"; a point takes about {max(wanted, seeds + 1)} seeds"


def _repetition(analysis: Analysis) -> Iterator[str]:
    """Arms whose trainings ended before any view came again."""
    fresh = [
        row.arm.name
        for row in analysis.arms
        if row.arm.source == SHARDS and row.arm.rounds and row.epochs <= row.arm.rounds
    ]
    if fresh:
        epochs = counted(max(row.epochs for row in analysis.arms), "epoch")
        yield (
            f"{epochs} of training never repeat a view of {listed(fresh)}: what repetition costs "
            "shows in longer trainings only."
        )


def _strong(analysis: Analysis) -> Iterator[str]:
    for copies in analysis.copies:
        names = {re.split("[:=]", part)[0] for part in copies.policy.split("+")}
        if names & STRONG and analysis.of(copies.advised).arm.copies == 1:
            yield (
                f"One copy of a policy as strong as {copies.policy} is known to hurt: every epoch "
                "shows the same few distortions. Store more copies before judging by this."
            )


def _step_bound(analysis: Analysis) -> Iterator[str]:
    rates = [analysis.of(each.fresh).rate for each in analysis.copies]
    bound = [rate for rate in rates if rate is not None and is_step_bound(rate)]
    if bound:
        share = max(rate.wait_share for rate in bound)
        yield (
            f"Training is bound by its step ({share:.0%} waiting for data on the fly): with a "
            "faster accelerator, a smaller model or more trainings at a time the answer may change."
        )


def _learned(measurements: Measurements, analysis: Analysis) -> Iterator[str]:
    best = max((row.accuracy.mean for row in analysis.arms), default=1.0)
    guessing = 1 / len(measurements.classes)
    if len(measurements.classes) > 1 and best < NEAR_CHANCE * guessing:
        yield (
            f"The best arm recognises {percent(best)} % where guessing does {percent(guessing)} %: "
            "trainings that learn so little say nothing about augmentation. Train longer."
        )


def _disturbed(measurements: Measurements) -> Iterator[str]:
    restless = [
        row.arm for row in measurements.throughput.arms if spread(row.training) > MAX_SPREAD
    ]
    if restless:
        yield (
            f"Measurements of the same rate differ by more than a quarter for {listed(restless)}: "
            "was the machine busy with something else?"
        )
