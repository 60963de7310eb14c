"""What the two sources have in common: the views of one split, read many at a time.

Samples are numbered by the order of their keys, so that both sources show the same samples in
the same order; where balancing gives a sample several views per round, each counts as one. Views
are uint8 RGB of shape (size, size, 3).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from augcli.augment.decode import Pixels

RowFault = tuple[int, str]
"""Which of the asked-for views can't be had, by its place, and why, in full."""


@dataclass(frozen=True)
class Labelled:
    """The samples of a split, sorted by key: `labels` int64, shape (samples,)."""

    keys: tuple[str, ...]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def ids(self) -> npt.NDArray[np.uint64]:
        """A 64-bit hash of each key, and of which of its views it is: uint64 (samples,)."""
        seen = Counter[str]()
        digests = bytearray()
        for key in self.keys:
            turn = seen[key].to_bytes(8, "little")
            seen[key] += 1
            digests += hashlib.blake2b(key.encode(), digest_size=8, salt=turn).digest()
        return np.frombuffer(bytes(digests), "<u8")


class Views(Protocol):
    """The views of one split. Safe for threads, and picklable for loader processes."""

    @property
    def samples(self) -> Labelled:
        """The samples, by number."""
        ...

    @property
    def rounds(self) -> int | None:
        """Epoch `e` shows what epoch `e mod rounds` did; None when each epoch's views are new."""
        ...

    def read(self, indices: npt.NDArray[np.int64], epoch: int, out: Pixels) -> list[RowFault]:
        """Fill `out`, uint8 (len(indices), size, size, 3), with the views that `epoch` shows.

        What can't be had is left as it is and told; the others are there.
        """
        ...

    def expect(self, indices: npt.NDArray[np.int64], epoch: int) -> None:
        """Hear which views of `epoch` will be read from now on, in which order."""
        ...

    def close(self) -> None:
        """Let go of files. Idempotent."""
        ...
