"""What is checked across row groups, as arrays: some ten bytes a row, and each key once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from augcli.manifests.arrays import Integers
from augcli.manifests.samples_file import SamplesFile
from augcli.shards.table_pieces import integers, texts_once

Places = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

View = tuple[int, str, int]
"""Round, key and copy."""

_AT_ONCE = 1 << 18


@dataclass(frozen=True)
class CheckedColumns:
    """Columns of all rows: integers as narrow as they fit, (rows,).

    `keys` and `splits` are numbers of `key_names` and `split_names`.
    """

    keys: Integers
    splits: Integers
    labels: Integers
    copies: Integers
    rounds: Integers
    key_names: pa.LargeStringArray
    split_names: list[str]

    @classmethod
    def of(cls, table: SamplesFile) -> CheckedColumns:
        """
        Raises:
            AugcliError: as `SamplesFile.parts`.
        """
        keys, key_names = texts_once(table, "key")
        splits, split_names = texts_once(table, "split")
        labels, copies, rounds = (integers(table, name) for name in ("label", "copy", "round"))
        return cls(keys, splits, labels, copies, rounds, key_names, split_names.to_pylist())

    def __len__(self) -> int:
        return len(self.keys)

    def view(self, place: int) -> View:
        """The round, key and copy of a row."""
        key = self.key_names[int(self.keys[place])].as_py()
        return int(self.rounds[place]), key, int(self.copies[place])

    def is_split(self, name: str) -> Mask:
        """Which rows are of this split."""
        number = self.split_names.index(name) if name in self.split_names else -1
        mask: Mask = self.splits == number
        return mask

    def first_splits(self) -> Integers:
        """The split of the first row of each key, -1 for keys without rows: (keys,)."""
        first = np.full(len(self.key_names), len(self), np.int64)
        for part in self.parts():
            np.minimum.at(first, self.keys[part], np.arange(part.start, part.stop))
        return _with_none(self.splits)[first]

    def last_labels(self, among: Mask) -> Integers:
        """The label of the last of these rows of each key, -1 for keys without: (keys,)."""
        last = np.full(len(self.key_names), -1, np.int64)
        for part in self.parts():
            places = part.start + np.flatnonzero(among[part])
            np.maximum.at(last, self.keys[places], places)
        return _with_none(self.labels)[last]

    def parts(self) -> Iterator[slice]:
        """All rows in slices: what is worked out of one takes little memory."""
        for first in range(0, len(self), _AT_ONCE):
            yield slice(first, min(first + _AT_ONCE, len(self)))


def _with_none(values: Integers) -> Integers:
    """The values, and -1 behind them."""
    return np.append(values, np.int8(-1))
