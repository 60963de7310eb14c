"""Faults of the rounds: each holds every training sample with that round's copies, once each.

All rounds together hold copies of a sample that follow one another. So every view that must be
there has a place in one long line, by key and then by copy, and what is found can be counted there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from augcli.manifests.arrays import Integers, Texts
from augcli.manifests.manifest import MANIFEST_FILE, Manifest
from augcli.manifests.rounds import copies_of_round
from augcli.shards.checked_columns import CheckedColumns, Mask, Places, View
from augcli.shards.fault import Fault

MOST_MISSING = 1 << 20
"""So many views may be missing of any table, each to be named; of a larger one as many as it has.

A manifest can promise trillions."""


def round_faults(manifest: Manifest, columns: CheckedColumns) -> Iterator[Fault]:
    """Law 9, of the training split; the others have copy 0 in round 0."""
    is_train = columns.is_split("train")
    repeats = _repeats(manifest, columns, is_train)
    views = sum(repeats) * manifest.rounds
    missing = min(manifest.samples.rows, max(len(columns), MOST_MISSING))
    is_countable = views <= np.count_nonzero(is_train) + missing
    line = _Line.of(manifest, repeats if is_countable else [0] * len(repeats))
    times, belongs = _count(line, columns, is_train)
    yield from _odd_faults(manifest, columns, is_train & ~(belongs & _once(line, columns, times)))
    if not is_countable:
        yield Fault(MANIFEST_FILE, f"its rounds and repeats make {views} views of train")
        return
    for number, key, copy in sorted(line.views(columns, np.flatnonzero(times == 0))):
        yield Fault(f"round {number}", f"copy {copy} of {key} is missing")
    strange = np.flatnonzero(is_train & ~belongs).tolist()
    for number, key, copy in sorted({columns.view(place) for place in strange}):
        yield Fault(f"round {number}", f"{key}: copy {copy} does not belong there")
    is_other = ~is_train & ((columns.rounds != 0) | (columns.copies != 0))
    for number, key, copy in map(columns.view, np.flatnonzero(is_other).tolist()):
        yield Fault(f"round {number}", f"{key}: copy {copy}, expected 0 of round 0")


def _repeats(manifest: Manifest, columns: CheckedColumns, is_train: Mask) -> list[int]:
    """By key: views per round of a training sample; 0 of others, and where the label is none."""
    of_label = manifest.repeats
    labels = columns.last_labels(is_train).tolist()
    return [
        of_label[label].of(key) if 0 <= label < len(of_label) else 0
        for key, label in zip(Texts(columns.key_names), labels, strict=True)
    ]


@dataclass(frozen=True)
class _Line:
    """The training views that there must be.

    By key, int64 (keys,): where its views begin, how many there are of a round, and of all rounds.
    """

    starts: Places
    repeats: Places
    lengths: Places
    first_copy: int

    @classmethod
    def of(cls, manifest: Manifest, repeats: Sequence[int]) -> _Line:
        """`repeats` times all rounds must be few enough to be counted."""
        each = np.array(repeats if manifest.rounds else [0] * len(repeats), np.int64)
        lengths = each * manifest.rounds
        first_copy = copies_of_round(0, 1, manifest.originals).start
        return cls(np.cumsum(lengths) - lengths, each, lengths, first_copy)

    def __len__(self) -> int:
        return int(self.lengths.sum())

    def places(self, columns: CheckedColumns, part: slice) -> Places:
        """Where the views of some rows stand, -1 for those that do not."""
        keys = columns.keys[part]
        steps = columns.copies[part].astype(np.int64) - self.first_copy
        rounds = steps // np.maximum(self.repeats[keys], 1)
        stands = (steps >= 0) & (steps < self.lengths[keys]) & (rounds == columns.rounds[part])
        return np.where(stands, self.starts[keys] + steps, -1)

    def views(self, columns: CheckedColumns, places: Places) -> list[View]:
        """The views that have these places."""
        keys = self.starts.searchsorted(places, "right") - 1
        steps = places - self.starts[keys]
        rounds, copies = steps // self.repeats[keys], steps + self.first_copy
        names = (columns.key_names[key].as_py() for key in keys.tolist())
        return list(zip(rounds.tolist(), names, copies.tolist(), strict=True))


def _count(line: _Line, columns: CheckedColumns, is_train: Mask) -> tuple[Integers, Mask]:
    """How often each view of the line is there, and which training rows belong in it."""
    times, belongs = np.zeros(len(line), np.int32), np.zeros(len(columns), np.bool_)
    for part in columns.parts():
        places = line.places(columns, part)
        belongs[part] = is_train[part] & (places >= 0)
        np.add.at(times, places[belongs[part]], np.int32(1))
    return times, belongs


def _once(line: _Line, columns: CheckedColumns, times: Integers) -> Mask:
    """Which rows' views come only once, of rows that belong in the line."""
    once = np.ones(len(columns), np.bool_)
    if (times > 1).any():
        for part in columns.parts():
            once[part] = times[line.places(columns, part)] == 1
    return once


def _odd_faults(manifest: Manifest, columns: CheckedColumns, odd: Mask) -> Iterator[Fault]:
    """Rows that come more than once, or of rounds that there are not; all such rows are `odd`."""
    views = Counter(columns.view(place) for place in np.flatnonzero(odd).tolist())
    for (number, key, copy), times in views.items():
        if times != 1:
            yield Fault(f"round {number}", f"copy {copy} of {key} comes {times} times")
        if number >= manifest.rounds:
            yield Fault(f"round {number}", f"there are only {manifest.rounds} rounds")
