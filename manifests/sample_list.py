"""The samples of a reference dataset, packed: ten million are a gigabyte, not five.

As Python objects a sample takes 400 bytes and more, whatever is in it; in columns it takes its two
names and 25 bytes. Who goes through them meets ordinary records, made as they are asked for.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple, overload

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.integer]
"""Where samples are among all that were packed with them: (samples,), integers."""

SPLITS = ("train", "val", "test")
_ITERATED = 4096


@dataclass(frozen=True, slots=True)
class Sample:
    """One reference image: `source` is its path relative to the reference's root, with '/'."""

    key: str
    source: str
    split: str
    label: int


class PackedTexts:
    """Texts end to end as UTF-8, and where each ends."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._ends = array("q", [0])

    def append(self, text: str) -> None:
        """Add one behind the others."""
        self._bytes += text.encode()
        self._ends.append(len(self._bytes))

    def at(self, places: Places) -> Iterator[str]:
        """The texts at these places."""
        data, ends = self._bytes, np.frombuffer(self._ends, np.int64)
        for first in range(0, len(places), _ITERATED):
            some = places[first : first + _ITERATED]
            bounds = zip(ends[some].tolist(), ends[some + 1].tolist(), strict=True)
            yield from [data[start:end].decode() for start, end in bounds]


class _Columns(NamedTuple):
    """All samples that were packed together; a split is its number in `SPLITS`."""

    keys: PackedTexts
    sources: PackedTexts
    splits: array[int]
    labels: array[int]


class Samples(Sequence[Sample]):
    """Samples in an order of their own, packed.

    Parts of them (a split, a slice) share what they are made of. To another process goes only the
    part itself.
    """

    def __init__(self, columns: _Columns, places: Places) -> None:
        self._columns = columns
        self._places = places

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> Samples:
        """Pack samples; they are gone through once."""
        columns = _Columns(PackedTexts(), PackedTexts(), array("b"), array("i"))
        numbers = {split: number for number, split in enumerate(SPLITS)}
        for sample in samples:
            columns.keys.append(sample.key)
            columns.sources.append(sample.source)
            columns.splits.append(numbers[sample.split])
            columns.labels.append(sample.label)
        return cls(columns, np.arange(len(columns.labels), dtype=np.int32))

    @property
    def keys(self) -> Iterator[str]:
        """The key of each."""
        return self._columns.keys.at(self._places)

    @property
    def sources(self) -> Iterator[str]:
        """The source of each."""
        return self._columns.sources.at(self._places)

    @property
    def splits(self) -> npt.NDArray[np.int8]:
        """The number in `SPLITS` of each one's split: int8 (samples,)."""
        return np.frombuffer(self._columns.splits, np.int8)[self._places]

    @property
    def labels(self) -> npt.NDArray[np.int32]:
        """The label of each: int32 (samples,)."""
        return np.frombuffer(self._columns.labels, np.int32)[self._places]

    def of_split(self, split: str) -> Samples:
        """Those of one split."""
        return self.where(self.splits == SPLITS.index(split))

    def of_label(self, label: int) -> Samples:
        """Those of one class."""
        return self.where(self.labels == label)

    def without(self, sources: Set[str]) -> Samples:
        """Those whose source is none of `sources`."""
        if not sources:
            return self
        kept = (source not in sources for source in self.sources)
        return self.where(np.fromiter(kept, np.bool_, len(self)))

    def where(self, wanted: npt.NDArray[np.bool_]) -> Samples:
        """Those of which `wanted` (samples,) is true."""
        return self.take(np.flatnonzero(wanted))

    def take(self, numbers: Places) -> Samples:
        """Those with these numbers (the first has 0), in their order."""
        return Samples(self._columns, self._places[numbers])

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, number: int) -> Sample: ...

    @overload
    def __getitem__(self, number: slice) -> Samples: ...

    def __getitem__(self, number: int | slice) -> Sample | Samples:
        if isinstance(number, slice):
            return self.take(number)  # type: ignore[arg-type]
        at = range(len(self))[number]
        return next(iter(self[at : at + 1]))

    def __iter__(self) -> Iterator[Sample]:
        columns, places = self._columns, self._places
        named = zip(self.keys, self.sources, strict=True)
        for first in range(0, len(places), _ITERATED):
            for place in places[first : first + _ITERATED].tolist():
                yield Sample(*next(named), SPLITS[columns.splits[place]], columns.labels[place])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[object, ...]:
        return Samples.of, (tuple(self),)
