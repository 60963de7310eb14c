"""The statistics of a comparison: arms that share their seeds and their test images.

Two things vary that no arm is to blame for: another seed gives another training, and other test
images another accuracy. The difference d of two arms on image i with seed s is taken as

    d[s, i] = difference + seed[s] + image[i] + rest[s, i]

(two-way, crossed, random), so that the mean over S seeds and N images varies by

    var(seed) / S + var(image) / N + var(rest) / (S N).

The mean of each seed shows the first and the last together, with few degrees of freedom; the mean
of each image the second, with many. Both parts have Student's quantile of their own degrees, and
the half-width is the root of the sum of their squares: by Banerjee 1960 (Sankhya 22, 355-358) such
an interval covers at least as often as it says, however the parts relate.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

CONFIDENCE = 0.95
SIGNIFICANT = 0.05
"""Likelier by chance than this is no finding."""

UNSEEN = 2.0
"""Images that are added, one for either side, to those that tell two arms apart: where only a few
do, their spread is badly known (Bonett and Price 2012, https://doi.org/10.3102/1076998611411915).
"""
_HALVINGS = 50  # of the decimals of a p-value, which end at:
_DECIMALS = 12.0


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval; `half_width` is None where there is none."""

    mean: float
    half_width: float | None

    @property
    def low(self) -> float:
        """The lower end, or the mean."""
        return self.mean - (self.half_width or 0.0)

    @property
    def high(self) -> float:
        """The upper end, or the mean."""
        return self.mean + (self.half_width or 0.0)

    def excludes_zero(self) -> bool:
        """Whether the mean can be told from zero."""
        return self.half_width is not None and abs(self.mean) > self.half_width


def interval(values: Sequence[float]) -> Interval:
    """The mean of `values` and Student's interval; one value has none."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return Interval(mean, None)
    error = statistics.stdev(values) / math.sqrt(len(values))
    return Interval(mean, float(_student(CONFIDENCE, len(values) - 1)) * error)


def paired_difference(values: Sequence[float], baseline: Sequence[float]) -> Interval:
    """The mean of value minus baseline, seed by seed."""
    return interval([value - base for value, base in zip(values, baseline, strict=True)])


def _student(confidence: Any, freedom: float) -> Any:
    """How many standard errors hold the mean with `confidence` (0..1, two-sided)."""
    return -stdtrit(freedom, (1.0 - confidence) / 2)


@dataclass(frozen=True)
class Residual:
    """How much an arm's accuracy varies from seed to seed by itself: the variance (...).

    What a seed does to all arms alike is taken out.
    """

    variance: Floats
    freedom: int


def residual(values: Floats) -> Residual | None:
    """Pooled over the arms of `values` (..., arms, seeds); None where nothing is left to vary.

    Randomised blocks, the seeds being the blocks: with three seeds an arm alone has two degrees of
    freedom, and six arms together ten.
    """
    arms, seeds = values.shape[-2:]
    freedom = (arms - 1) * (seeds - 1)
    if freedom == 0:
        return None
    by_arm = values.mean(axis=-1, keepdims=True)
    by_seed = values.mean(axis=-2, keepdims=True)
    left = values - by_arm - by_seed + values.mean(axis=(-2, -1), keepdims=True)
    return Residual((left**2).sum(axis=(-2, -1)) / freedom, freedom)


@dataclass(frozen=True)
class Contrast:
    """The difference of two arms, and how surely it is known.

    Attributes:
        mean: of the second less the first, shape (...).
        by_seeds: the variance of `mean` through other seeds, (...); None of a single seed, which
            can't know it.
        freedom: degrees of freedom of `by_seeds`.
        by_images: the variance of `mean` through other test images, (...); 0 where images can't
            be told apart.
        images: how many there are.
    """

    mean: Floats
    by_seeds: Floats | None
    freedom: int
    by_images: Floats
    images: int

    def half_width(self, confidence: Any = CONFIDENCE) -> Floats:
        """Of the interval at `confidence`; of a single seed, as far as images go."""
        square = _student(confidence, max(1, self.images - 1)) ** 2 * self.by_images
        if self.by_seeds is not None:
            square = square + _student(confidence, self.freedom) ** 2 * self.by_seeds
        root: Floats = np.sqrt(square)
        return root

    def p_value(self) -> Floats:
        """How likely such a mean is if there is no difference: where the interval touches zero.

        NaN of a single seed.
        """
        if self.by_seeds is None:
            return np.full_like(self.mean, np.nan)
        low = np.full_like(self.mean, -_DECIMALS)
        high = np.zeros_like(self.mean)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            holds = self.half_width(1.0 - 10.0**middle) >= np.abs(self.mean)
            low, high = np.where(holds, middle, low), np.where(holds, high, middle)
        p: Floats = np.where(self.mean == 0, 1.0, 10.0**high)
        return p


def contrast(first: Booleans, second: Booleans, pooled: Residual | None = None) -> Contrast:
    """Compare which images two arms recognise, both (..., seeds, images), in the same order.

    `pooled` is the `residual` of the accuracies of all arms. The variation over seeds is never
    taken for less than these two arms themselves show, since some arms vary more than others.
    """
    differences = second.astype(np.int8) - first.astype(np.int8)
    seeds, images = differences.shape[-2:]
    by_seed = differences.mean(axis=-1)
    mean = by_seed.mean(axis=-1)
    of_images = np.square(differences.mean(axis=-2) - mean[..., None]).sum(axis=-1)
    seen = UNSEEN / images**2
    if seeds == 1:
        return Contrast(mean, None, 0, of_images / (images * max(1, images - 1)) + seen, images)
    of_seeds = np.square(by_seed - mean[..., None]).sum(axis=-1)
    whole = np.square(differences, dtype=np.int8).sum(axis=(-2, -1)) - seeds * images * mean**2
    rest = whole - seeds * of_images - images * of_seeds
    by_images = (of_images - rest / (seeds * (seeds - 1))) / (images * max(1, images - 1))
    own = Residual(of_seeds / (seeds - 1) / 2, seeds - 1)
    return Contrast(
        mean, *_by_seeds(own, pooled, seeds), np.maximum(by_images, 0.0) + seen, images
    )  # fmt: skip


def contrast_of_values(
    first: Floats, second: Floats, pooled: Residual | None = None
) -> Contrast:  # fmt: skip
    """Compare values of two arms by seed, both (..., seeds): the same test images are taken for
    granted."""
    differences = second - first
    seeds = differences.shape[-1]
    mean = differences.mean(axis=-1)
    nothing = np.zeros_like(mean)
    if seeds == 1:
        return Contrast(mean, None, 0, nothing, 1)
    own = Residual(differences.var(axis=-1, ddof=1) / 2, seeds - 1)
    return Contrast(mean, *_by_seeds(own, pooled, seeds), nothing, 1)


def _by_seeds(own: Residual, pooled: Residual | None, seeds: int) -> tuple[Floats, int]:
    """The variance of a mean difference over seeds, and its degrees of freedom."""
    if pooled is None:
        return 2 * own.variance / seeds, own.freedom
    return 2 * np.maximum(own.variance, pooled.variance) / seeds, pooled.freedom


def holm(p_values: Floats) -> Floats:
    """p-values (..., comparisons) made larger for being several: by Holm 1979, Scand. J. Stat. 6.

    As many as are then below 0.05 are findings; that any of them is false happens in 5 % at most.
    """
    count = p_values.shape[-1]
    order = np.argsort(p_values, axis=-1)
    scaled = np.take_along_axis(p_values, order, axis=-1) * np.arange(count, 0, -1)
    raised = np.minimum(np.maximum.accumulate(scaled, axis=-1), 1.0)
    adjusted = np.empty_like(raised)
    np.put_along_axis(adjusted, order, raised, axis=-1)
    return adjusted
