"""Balancing by copies: samples of small classes have several views per round, each another copy.

How many a class's samples have is rarely a whole number: each has the whole part, and those whose
keys hash below a threshold one more. The threshold is put where the class gets just the views that
it should; later images are held against the same threshold, so that a class's earlier samples keep
what they have.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from augcli.manifests.hashing import key_fraction

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from augcli.manifests.reference import Reference
    from augcli.manifests.sample_list import Samples

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
        return self.whole + (_fraction(key) < self.extra_below)


ONCE = ClassRepeats(1, 0.0)


def balanced(reference: Reference, mode: str) -> tuple[ClassRepeats, ...]:
    """How often each class's training samples are shown per round.

    `full`: every class gets as many views as the largest has samples; `sqrt`: as many as the
    geometric mean of its own number and the largest; `none`: its own number.
    """
    counts = reference.class_counts("train")
    largest = max(counts, default=0)
    training = reference.of_split("train")
    return tuple(
        _repeats(training, label, count, _wanted(count, largest, mode))
        for label, count in enumerate(counts)
    )


def _wanted(count: int, largest: int, mode: str) -> int:
    if mode == "full":
        return largest
    return round(math.sqrt(count * largest)) if mode == "sqrt" else count


def _repeats(training: Samples, label: int, count: int, wanted: int) -> ClassRepeats:
    if not count:
        return ONCE
    whole, extra = divmod(wanted, count)
    if not extra:
        return ClassRepeats(whole, 0.0)
    fractions = sorted(_fraction(key) for key in training.of_label(label).keys)
    return ClassRepeats(whole, fractions[extra])


def repeats_of(samples: Samples, repeats: tuple[ClassRepeats, ...]) -> npt.NDArray[np.int64]:
    """Views per round of each of some training samples: int64 (samples,)."""
    import numpy as np

    labels = samples.labels
    often = np.array([each.whole for each in repeats], np.int64)[labels]
    if any(each.extra_below for each in repeats):
        below = np.array([each.extra_below for each in repeats])[labels]
        fractions = np.fromiter(map(_fraction, samples.keys), np.float64, len(labels))
        often += fractions < below
    return often


def views_per_round(samples: Samples, repeats: tuple[ClassRepeats, ...]) -> tuple[int, ...]:
    """Views per round of each class's training samples."""
    import numpy as np

    views = np.bincount(samples.labels, repeats_of(samples, repeats), len(repeats))
    return tuple(views.astype(np.int64).tolist())


def _fraction(key: str) -> float:
    return key_fraction(key, "augcli-balance")
