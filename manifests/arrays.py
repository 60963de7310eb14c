"""Columns of a table as Arrow and NumPy have them, and from one to the other without pandas.

Arrow's own conversions import pandas where there is one: a third of a second.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

Integers = npt.NDArray[Any]
"""Integers of any type."""

_KINDS = {
    "uint8": (0, 2**8 - 1),
    "int8": (-(2**7), 2**7 - 1),
    "uint16": (0, 2**16 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "uint32": (0, 2**32 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
}
"""What each type of integers holds, the narrowest first."""
_ITERATED = 4096


class Texts(Sequence[str]):
    """Texts as Arrow has them: of their own length, where Python's take 50 bytes more each."""

    def __init__(self, texts: pa.StringArray) -> None:
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> Texts: ...

    def __getitem__(self, place: int | slice) -> str | Texts:
        if isinstance(place, slice):
            return Texts(self._texts[place])
        text: str = self._texts[place].as_py()
        return text

    def __iter__(self) -> Iterator[str]:
        for first in range(0, len(self), _ITERATED):
            yield from self._texts.slice(first, _ITERATED).to_pylist()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Texts):
            return bool(self._texts.equals(other._texts))
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]


class Codes:
    """Which text of a list each row of a table has: in parts, each as narrow as it fits."""

    def __init__(self) -> None:
        self.sizes: list[list[int]] = []
        """Rows of each row group of each part."""
        self._parts: list[tuple[int, Integers]] = []
        self._texts = 0

    def __len__(self) -> int:
        return sum(map(sum, self.sizes))

    def append(self, chunks: Sequence[pa.DictionaryArray]) -> None:
        """A part: some row groups, whose dictionaries are behind those so far in the list."""
        import pyarrow as pa

        if not chunks:
            return
        sizes = [len(chunk) for chunk in chunks]
        starts = np.cumsum([0, *(len(chunk.dictionary) for chunk in chunks)])
        numbers = as_stored(pa.concat_arrays([chunk.indices for chunk in chunks]))
        self._parts.append((self._texts, narrow(numbers + np.repeat(starts[:-1], sizes))))
        self._texts += int(starts[-1])
        self.sizes.append(sizes)

    def of(self, values: Integers) -> Iterator[Integers]:
        """What each row's text has in `values`, (texts,): an array for every part."""
        for first, numbers in self._parts:
            yield values[first:][numbers]


def numbers(column: pa.ChunkedArray, dtype: npt.DTypeLike = "int64") -> Integers:
    """A column of integers, or its dictionary's indices, as (rows,) of `dtype`."""
    parts = [np.zeros(0, dtype), *(as_stored(chunk).astype(dtype) for chunk in column.chunks)]
    return np.concatenate(parts)


def as_list(column: pa.ChunkedArray) -> list[Any]:
    """The values of a column."""
    return [value for chunk in column.chunks for value in undictionaried(chunk).to_pylist()]


def undictionaried(chunk: pa.Array) -> pa.Array:
    """Texts of a dictionary one by one: its own `to_pylist` would take ten times as long."""
    return chunk.dictionary.take(chunk.indices) if hasattr(chunk, "dictionary") else chunk


def as_stored(chunk: pa.Array) -> Integers:
    """An array of integers, or a dictionary's indices, in their own type: (rows,), not copied."""
    stored = getattr(chunk, "indices", chunk)
    values = np.frombuffer(stored.buffers()[1], str(stored.type))
    return values[stored.offset : stored.offset + len(stored)]


def as_plain_array(values: Integers) -> pa.Array:
    """Integers in their own type, not copied."""
    import pyarrow as pa

    kind = getattr(pa, str(values.dtype))()
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def narrow(values: Integers) -> Integers:
    """A copy of integers in the narrowest type that holds them all."""
    least, greatest = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    return values.astype(_kind_for(least, greatest))


class Narrow:
    """Integers that are put into their places part by part; 0 where none was put yet.

    `values`, (count,), are in the narrowest type that holds them all.
    """

    def __init__(self, count: int) -> None:
        self.values: Integers = np.zeros(count, _kind_for(0, 0))
        self._least = self._greatest = 0

    def put(self, places: slice | npt.NDArray[np.int64], values: Integers) -> None:
        """Put each value into its place."""
        if not len(values):
            return
        least, greatest = int(values.min()), int(values.max())
        if least < self._least or greatest > self._greatest:
            self._least, self._greatest = min(least, self._least), max(greatest, self._greatest)
            self.values = self.values.astype(_kind_for(self._least, self._greatest), copy=False)
        self.values[places] = values


def _kind_for(least: int, greatest: int) -> str:
    """The narrowest type of integers that holds both."""
    return next(kind for kind, (low, high) in _KINDS.items() if low <= least and greatest <= high)
