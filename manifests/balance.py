"""Balancing by copies: samples of small classes have several views per round, each another copy.

How many a class's samples have is rarely a whole number: each has the whole part, and those whose
keys hash below a threshold one more. The threshold is put where the class gets just the views that
it should; later images are held against the same threshold, so that a class's earlier samples keep
what they have.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from augcli.manifests.hashing import key_fraction
from augcli.manifests.reference import Reference, Sample

BALANCE_MODES = ("none", "full", "sqrt")


@dataclass(frozen=True, slots=True)
class ClassRepeats:
    """Views per round of a class's training samples.

    `whole` for each, and one more for those whose key's fraction is below `extra_below`.
    """

    whole: int
    extra_below: float

    def of(self, key: str) -> int:
        """Views per round of the sample `key`."""
        if not self.extra_below:
            return self.whole
        return self.whole + (key_fraction(key, "augcli-balance") < self.extra_below)


ONCE = ClassRepeats(1, 0.0)


def balanced(reference: Reference, mode: str) -> tuple[ClassRepeats, ...]:
    """How often each class's training samples are shown per round.

    `full`: every class gets as many views as the largest has samples; `sqrt`: as many as the
    geometric mean of its own number and the largest; `none`: its own number.
    """
    keys: list[list[str]] = [[] for _ in reference.classes]
    for sample in reference.of_split("train"):
        keys[sample.label].append(sample.key)
    largest = max(map(len, keys), default=0)
    return tuple(_repeats(found, _wanted(len(found), largest, mode)) for found in keys)


def _wanted(count: int, largest: int, mode: str) -> int:
    if mode == "full":
        return largest
    return round(math.sqrt(count * largest)) if mode == "sqrt" else count


def _repeats(keys: list[str], wanted: int) -> ClassRepeats:
    if not keys:
        return ONCE
    whole, extra = divmod(wanted, len(keys))
    fractions = sorted(key_fraction(key, "augcli-balance") for key in keys) if extra else [0.0]
    return ClassRepeats(whole, fractions[extra])


def views_per_round(
    samples: Iterable[Sample], repeats: tuple[ClassRepeats, ...]
) -> tuple[int, ...]:
    """Views per round of each class's training samples."""
    counts = [0] * len(repeats)
    for sample in samples:
        counts[sample.label] += repeats[sample.label].of(sample.key)
    return tuple(counts)
