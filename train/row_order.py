"""The rows of a table of stored views by round, key and copy, whatever their order in the file.

What augcli writes has the same samples in all rounds, and in a row group one round after another.
So what is kept of the order is hardly more than the keys, each once, and a number for each sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from augcli.manifests.arrays import (
    Codes,
    Integers,
    Narrow,
    Texts,
    as_plain_array,
    as_stored,
    narrow,
    numbers,
)
from augcli.manifests.samples_file import TEXTS, SamplesFile

_SMALL_ROWS = 1024


class _Run(NamedTuple):
    """Where the rows of a row group belong: at `places` + the first shift, + the second, …"""

    places: Integers
    shifts: Integers

    def all_places(self) -> npt.NDArray[np.int64]:
        """Of each row of the row group."""
        return np.add(self.shifts[:, None], self.places, dtype=np.int64).ravel()


@dataclass(frozen=True)
class Rows:
    """The rows of a table in order: those of round 0, of round 1, …

    `keys` are sorted, each there once; `key_numbers` are theirs of the views of any round, None
    where each is there once. `runs` say where the rows of the file belong.
    """

    file: SamplesFile
    rounds: int
    keys: pa.StringArray
    key_numbers: Integers | None
    runs: list[_Run]

    def keys_of_round(self) -> Texts:
        """The keys of the views of any round."""
        if self.key_numbers is None:
            return Texts(self.keys)
        return Texts(self.keys.take(as_plain_array(self.key_numbers)))

    def column(self, name: str) -> pa.Array:
        """Texts each once (a dictionary), integers as narrow as they fit.

        Raises:
            AugcliError: as `SamplesFile`'s columns.
        """
        if name == "key":
            of_round = np.arange(len(self.keys)) if self.key_numbers is None else self.key_numbers
            of_all = as_plain_array(np.tile(narrow(of_round), self.rounds))
            return pa.DictionaryArray.from_arrays(of_all, self.keys)
        if name in TEXTS:
            texts, codes = self.file.coded(name)
            once = texts.dictionary_encode()
            found = self._in_order(codes.of(as_stored(once)))
            return pa.DictionaryArray.from_arrays(found, once.dictionary)
        return self._in_order(numbers(part) for part in self.file.parts(name))

    def _in_order(self, parts: Iterable[Integers]) -> pa.Array:
        of_round = self.keys if self.key_numbers is None else self.key_numbers
        found, runs = Narrow(len(of_round) * self.rounds), iter(self.runs)
        for values in parts:
            places: list[npt.NDArray[np.int64]] = []
            while sum(map(len, places)) < len(values):
                places.append(next(runs).all_places())
            if places:
                found.put(np.concatenate(places), values)
        return as_plain_array(found.values)


@dataclass(frozen=True)
class Keyed:
    """What orders the rows of a table, which are in the order of the file.

    `keys` are sorted, each there once; `key_numbers` are theirs of each text that `codes` mean.
    """

    file: SamplesFile
    keys: pa.StringArray
    codes: Codes
    key_numbers: Integers
    rounds: Integers
    copies: Integers

    def __len__(self) -> int:
        return len(self.codes)

    def in_order(self, rounds: int, views_per_round: int) -> Rows | None:
        """The rows in order; None if the rounds do not have the same keys, equally often.

        There have to be as many as in so many rounds.
        """
        return self._as_written(rounds, views_per_round) or self._sorted(rounds, views_per_round)

    def _sorted(self, rounds: int, views_per_round: int) -> Rows | None:
        """Whatever the order of the file: takes some 30 bytes a row meanwhile."""
        found = np.concatenate([np.zeros(0, np.int32), *self._numbers()])
        order = np.lexsort((self.copies, found, self.rounds))
        if not _is_same_in_all(found[order].reshape(rounds, views_per_round)):
            return None
        places = np.empty(len(order), np.min_scalar_type(len(order)))
        places[order] = np.arange(len(order), dtype=places.dtype)
        parts = np.split(places, np.cumsum([sum(sizes) for sizes in self.codes.sizes]))
        runs = [
            run
            for some, sizes in zip(parts, self.codes.sizes, strict=False)  # the last one is empty
            for run in _runs(some, sizes, views_per_round)
        ]
        of_round = narrow(found[order[:views_per_round]])
        return Rows(self.file, rounds, self.keys, of_round, runs)

    def _as_written(self, rounds: int, views_per_round: int) -> Rows | None:
        """As augcli writes them: the views of a sample in a round are in one row group.

        Then all is found part by part. None if it is not so, or if rounds differ.
        """
        if not len(self) or self.rounds.min() < 0 or self.rounds.max() >= rounds:
            return None
        is_once = len(self.keys) == views_per_round
        counts = None if is_once else self._counts(rounds)
        firsts = None if counts is None else np.cumsum(counts) - counts
        is_taken = np.zeros(len(self), np.bool_)
        runs: list[_Run] = []
        start = 0
        for found, sizes in zip(self._numbers(), self.codes.sizes, strict=True):
            part = slice(start, start + len(found))
            places = self.rounds[part] * np.int64(views_per_round)
            if counts is None or firsts is None:
                places += found
            else:
                places += firsts[found]
                turns = _turns(places, self.copies[part])
                if (turns >= counts[found]).any():
                    return None
                places += turns
            is_taken[places] = True
            runs += _runs(places, sizes, views_per_round)
            start = part.stop
        if not is_taken.all():
            return None
        of_round = None if counts is None else narrow(np.repeat(np.arange(len(counts)), counts))
        return Rows(self.file, rounds, self.keys, of_round, runs)

    def _counts(self, rounds: int) -> Integers:
        """Views of each key in a round, if they are as many in all rounds: (keys,)."""
        counts = np.zeros(len(self.keys), np.int64)
        for found in self._numbers():
            np.add.at(counts, found, 1)
        return counts // rounds

    def _numbers(self) -> Iterator[Integers]:
        """Of each row the number of its key: an array for some row groups."""
        return self.codes.of(self.key_numbers)


def read_keys(file: SamplesFile) -> Keyed:
    """What orders the rows of a file.

    Raises:
        AugcliError: as the file's columns.
    """
    keys, codes, key_numbers = _sorted_keys(file)
    copies, rounds = (_in_file_order(file, name, len(codes)) for name in ("copy", "round"))
    return Keyed(file, keys, codes, key_numbers, rounds, copies)


def _sorted_keys(file: SamplesFile) -> tuple[pa.StringArray, Codes, Integers]:
    """The keys that rows have, each once, and which of them the texts are that the codes mean."""
    texts, codes = file.coded("key")
    order = pc.array_sort_indices(texts)
    keys = texts.take(order)
    is_other = np.ones(len(keys), np.bool_)  # than the text before it
    is_other[1:] = as_stored(pc.not_equal(keys[1:], keys[:-1]).cast(pa.uint8()))
    key_numbers = np.empty(len(keys), np.int32)
    key_numbers[as_stored(order)] = np.cumsum(is_other, dtype=np.int32) - 1
    is_used = np.zeros(len(keys), np.bool_)  # a row group may have rows of another split
    for found in codes.of(key_numbers):
        is_used[found] = True
    count = np.count_nonzero(is_used)
    if count < len(keys):
        firsts = np.flatnonzero(is_other)
        keys = keys.take(as_plain_array(firsts[is_used[: len(firsts)]]))
        key_numbers = np.cumsum(is_used, dtype=np.int32)[key_numbers] - 1
    return keys, codes, key_numbers


def _in_file_order(file: SamplesFile, name: str, count: int) -> Integers:
    found, start = Narrow(count), 0
    for part in file.parts(name):
        found.put(slice(start, start + len(part)), numbers(part))
        start += len(part)
    return found.values


def _turns(groups: Integers, copies: Integers) -> npt.NDArray[np.int64]:
    """The place of each row, by copy, among the rows of its group: (rows,)."""
    order = np.lexsort((copies, groups))
    in_order = groups[order]
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = in_order[1:] != in_order[:-1]
    firsts = np.flatnonzero(is_first)
    turns = np.empty(len(order), np.int64)
    turns[order] = np.arange(len(order)) - firsts[np.cumsum(is_first) - 1]
    return turns


def _is_same_in_all(by_round: Integers) -> bool:
    return bool((by_round == by_round[:1]).all())


def _runs(places: Integers, sizes: list[int], views_per_round: int) -> list[_Run]:
    """Of row groups of these sizes; of all together where they are so small that it's no matter."""
    if len(places) < _SMALL_ROWS * len(sizes):
        return [_Run(narrow(places), np.zeros(1, np.int64))]
    ends = np.cumsum(sizes)
    return [_run(some, views_per_round) for some in np.split(places, ends[:-1])]


def _run(places: Integers, views_per_round: int) -> _Run:
    """With the places of one round only, where the others' are as far from each other."""
    rounds = places // views_per_round
    length = int(np.argmax(rounds != rounds[:1])) if len(places) else 0
    if length and len(places) % length == 0:
        by_round = places.reshape(-1, length).astype(np.int64)
        shifts = by_round[:, 0] - by_round[0, 0]
        if (by_round == by_round[0] + shifts[:, None]).all():
            return _Run(narrow(by_round[0]), shifts)
    return _Run(narrow(places), np.zeros(1, np.int64))
