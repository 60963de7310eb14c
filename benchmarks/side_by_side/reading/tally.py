"""Is what a reader gives the work that was asked for? Counted while it reads.

In the untimed first epoch all pixels are looked at: every view must be there once, under its own
label. In the timed epochs every batch is looked at, but little of it: shape, labels, four pixels
of each image.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from side_by_side.reading.batch import Batch, pixels
from side_by_side.reading.reference import Reference, cells_of, spots_of
from side_by_side.reading.work import ReadWork

# Levels of 255. Decoders differ by one or two, and what JPEG loses comes on top of that; a view
# that was drawn anew is lighter or darker than the stored one, and the mean of many is not.
CELL_TOLERANCE = 8.0
STORED_TOLERANCE = 2.0
DRAWN_TOLERANCE = 8.0
DRAWN_DEVIATION = 60.0


class Tally:
    """What an epoch gave, in numbers that cost next to nothing."""

    def __init__(self, reference: Reference, work: ReadWork, *, drawn: bool) -> None:
        self._reference = reference
        self._work = work
        self._drawn = drawn
        self._labels = np.zeros(int(reference.labels.max()) + 1, np.int64)
        self._spots_total = 0
        self._wrong: Counter[str] = Counter()
        self.images = 0
        self.batches = 0

    def add(self, batch: Batch) -> None:
        """Count a batch in."""
        array = pixels(batch.images)
        size = self._work.size
        if array.dtype != np.uint8 or array.shape[1:] != (size, size, 3):
            shape = "x".join(map(str, np.asarray(batch.images).shape))
            self._wrong[f"a batch of {array.dtype} {shape}"] += 1
            return
        labels = np.asarray(batch.labels).reshape(-1)
        if len(labels) != len(array):
            self._wrong["another number of labels than of images"] += 1
            return
        self.images += len(array)
        self.batches += 1
        counts = np.bincount(labels, minlength=len(self._labels))
        if len(counts) > len(self._labels):
            self._wrong["an unknown label"] += 1
            return
        self._labels += counts
        self._spots_total += int(spots_of(array).sum(dtype=np.int64))

    def faults(self) -> list[str]:
        """In what the epoch was not the work; empty when it was."""
        wrong = [f"{times} times {what}" for what, times in self._wrong.items()]
        expected = len(self._reference)
        if self.images != expected:
            wrong.append(f"{self.images} images in an epoch of {expected}")
        most = math.ceil(expected / self._work.batch) + self._work.workers
        if self.batches > most:
            wrong.append(f"{self.batches} batches, so of less than {self._work.batch} images")
        if (self._labels != np.bincount(self._reference.labels)).any():
            wrong.append("other labels than the views have")
        return [*wrong, *self._mean_faults()]

    def _mean_faults(self) -> list[str]:
        spots = self._reference.spots
        found = self._spots_total / max(1, self.images * spots.shape[1])
        expected = float(spots.mean())
        tolerance = STORED_TOLERANCE
        if self._drawn:  # other spots of the same images: the mean of n of them varies
            tolerance = DRAWN_TOLERANCE + 4 * DRAWN_DEVIATION / math.sqrt(len(spots))
        if abs(found - expected) <= tolerance:
            return []
        return [f"pixels of {found:.1f} on average instead of {expected:.1f}"]


class FullTally(Tally):
    """Looks at all pixels: which view is it?

    Views that were drawn anew can't be told by their pixels; the reader's keys name them.
    """

    def __init__(self, reference: Reference, work: ReadWork, *, drawn: bool) -> None:
        super().__init__(reference, work, drawn=drawn)
        self._seen = np.zeros(len(reference), np.int64)
        self._keys = np.zeros(len(reference), np.int64)
        self._has_keys = False
        names = (reference.keys, reference.sources)
        self._numbers = {name: number for part in names for number, name in enumerate(part)}
        self._squares = (reference.cells**2).sum(axis=1)

    def add(self, batch: Batch) -> None:
        """Count a batch in, and find out which views it has."""
        before = self.images
        super().add(batch)
        if self.images == before:
            return
        labels = np.asarray(batch.labels).reshape(-1)
        if batch.keys is not None:
            self._has_keys = True
            self._count_keys(batch.keys, labels)
        if not self._drawn:
            self._identify(cells_of(batch.images), labels)

    def faults(self) -> list[str]:
        """In what the epoch was not the work; empty when it was."""
        wrong = super().faults()
        if self._has_keys and (self._keys != 1).any():
            wrong.append(f"{int((self._keys != 1).sum())} keys do not come exactly once")
        if self._drawn and not self._has_keys:
            wrong.append("drawn views without keys")
        if not self._drawn and (self._seen != 1).any():
            wrong.append(f"{int((self._seen != 1).sum())} views do not come exactly once")
        return wrong

    def _count_keys(self, keys: Sequence[str], labels: Any) -> None:
        for key, label in zip(keys, labels, strict=True):
            number = self._numbers.get(key)
            if number is None:
                self._wrong["an unknown key"] += 1
                continue
            self._keys[number] += 1
            if self._reference.labels[number] != label:
                self._wrong["a key with another's label"] += 1

    def _identify(self, cells: Any, labels: Any) -> None:
        reference = self._reference
        distances = self._squares - 2 * (cells @ reference.cells.T)
        for own, label, row in zip(cells, labels, distances, strict=True):
            row[reference.labels != label] = np.inf
            number = int(row.argmin())
            if self._seen[number]:  # its twin, where two views look the same
                free = np.where(self._seen == 0, row, np.inf)
                number = int(free.argmin())
            is_it = np.abs(own - reference.cells[number]).max() <= CELL_TOLERANCE
            if not is_it or reference.labels[number] != label:
                self._wrong["an image that is no view, or not of its label, or comes again"] += 1
                continue
            self._seen[number] += 1
