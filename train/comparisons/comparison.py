"""The statistics of a comparison and its verdict: pure functions of what was measured.

Intervals are Student's, two-sided, 95 %: over seeds, which say how much a result varies from
training to training. Differences are paired by seed: same weights, same order, same evaluation.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# 97.5 % quantiles of Student's t with 1, 2, … 30 degrees of freedom (normal beyond)
STUDENT_T = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
    2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
NORMAL = 1.960
STEP_BOUND_SHARE = 0.05  # waiting less than this for data, no source can help much


@dataclass(frozen=True)
class Measured:
    """A rate: the median of repeated measurements, with the least and the greatest."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Measured:
        """Summarise repeated measurements."""
        return cls(statistics.median(values), min(values), max(values))

    def overlaps(self, other: Measured) -> bool:
        """Whether the two could be the same rate, as far as these measurements go."""
        return self.least <= other.greatest and other.least <= self.greatest


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval; `half_width` is None for a single value."""

    mean: float
    half_width: float | None

    def excludes_zero(self) -> bool:
        """Whether the mean can be told from zero."""
        return self.half_width is not None and abs(self.mean) > self.half_width


def interval(values: Sequence[float]) -> Interval:
    """The mean of `values` and the half-width of its 95 % interval."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Interval(mean, None)
    freedom = len(values) - 1
    quantile = STUDENT_T[freedom - 1] if freedom <= len(STUDENT_T) else NORMAL
    return Interval(mean, quantile * statistics.stdev(values) / math.sqrt(len(values)))


def paired_difference(values: Sequence[float], baseline: Sequence[float]) -> Interval:
    """The mean of value minus baseline, seed by seed."""
    return interval([value - base for value, base in zip(values, baseline, strict=True)])


def break_even_epochs(
    expansion_seconds: float, fresh_epoch_seconds: float, stored_epoch_seconds: float
) -> float | None:
    """Epochs after which expanding has paid for itself; None when it never does."""
    saved = fresh_epoch_seconds - stored_epoch_seconds
    return expansion_seconds / saved if saved > 0 else None


@dataclass(frozen=True)
class Finding:
    """What the verdict is made from: by arm, images/s of the source alone and of training, the
    share of training spent waiting for data (0..1), and accuracies (0..1) by seed."""

    source_rates: Mapping[str, Measured]
    training_rates: Mapping[str, Measured]
    wait_shares: Mapping[str, float]
    accuracies: Mapping[str, Sequence[float]]
    expansion_seconds: float
    samples: int
    rounds: int
    epochs: int
    disk_bytes: int
    test_images: int


def verdict(finding: Finding) -> list[str]:
    """The verdict in plain sentences, the most important first."""
    return [
        _speed(finding),
        _pay_back(finding),
        *_accuracy(finding),
        _disk(finding),
        *_warnings(finding),
    ]


def _speed(finding: Finding) -> str:
    stored, fresh = (finding.training_rates[arm] for arm in ("shards", "on-the-fly"))
    alone = finding.source_rates["shards"].median / finding.source_rates["on-the-fly"].median
    wait = finding.wait_shares["on-the-fly"]
    text = f"Stored views come {alone:.1f} times as fast as views made on the fly"
    if wait < STEP_BOUND_SHARE:
        return (
            f"{text}, but training on the fly waits for data only {wait:.0%} of its time: the "
            "training step is the bottleneck, and neither source makes it faster."
        )
    if stored.overlaps(fresh):
        return f"{text}; in training the difference can't be told from noise ({wait:.0%} waiting)."
    return (
        f"{text}; training from them runs {stored.median / fresh.median:.2f} times as fast "
        f"({wait:.0%} of training on the fly is waiting for data)."
    )


def _pay_back(finding: Finding) -> str:
    stored, fresh = (finding.training_rates[arm] for arm in ("shards", "on-the-fly"))
    cost = f"Expanding took {finding.expansion_seconds:.1f} s"
    bound = finding.wait_shares["on-the-fly"] < STEP_BOUND_SHARE
    epochs = break_even_epochs(
        finding.expansion_seconds, finding.samples / fresh.median, finding.samples / stored.median
    )
    if epochs is None or bound or stored.overlaps(fresh):
        return f"{cost}; with this model and machine it saves no time that could be measured."
    return (
        f"{cost} and pays back after {math.ceil(epochs):,} epochs, or "
        f"{epochs / finding.epochs:.1f} trainings of {finding.epochs} epochs."
    )


def _accuracy(finding: Finding) -> list[str]:
    baseline = finding.accuracies["on-the-fly"]
    sentences = []
    for arm in ("shards", "none"):
        difference = paired_difference(finding.accuracies[arm], baseline)
        name = "Stored views" if arm == "shards" else "No augmentation"
        points = f"{100 * difference.mean:+.1f} points of accuracy against on the fly"
        if difference.half_width is None:
            sentences.append(f"{name}: {points}, from one seed: nothing can be told from noise.")
        elif difference.excludes_zero():
            sentences.append(
                f"{name}: {points} (± {100 * difference.half_width:.1f}), more than noise."
            )
        else:
            sentences.append(
                f"{name}: {points} (± {100 * difference.half_width:.1f}), "
                "which can't be told from noise."
            )
    return sentences


def _disk(finding: Finding) -> str:
    return f"The shards take {finding.disk_bytes / 1e6:.1f} MB of disk for {finding.rounds} rounds."


def _warnings(finding: Finding) -> list[str]:
    warnings = []
    error = 100 * math.sqrt(0.25 / finding.test_images)
    if error > 1.0:
        warnings.append(
            f"With {finding.test_images} test images one standard error of an accuracy is up to "
            f"{error:.1f} points: small differences need more test images or seeds."
        )
    if finding.epochs < finding.rounds:
        warnings.append(
            f"{finding.epochs} epochs never repeat a stored view ({finding.rounds} rounds): "
            "train longer to see what repetition costs."
        )
    if finding.rounds <= 2:
        warnings.append(
            "With a single augmented copy every view soon repeats; store more copies before "
            "judging by this."
        )
    return warnings
