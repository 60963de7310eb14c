"""What the two sources have in common: the views of one split, read many at a time.

Samples are numbered by the order of their keys, so that both sources show the same samples in
the same order; where balancing gives a sample several views per round, each counts as one. Views
are uint8 RGB of shape (size, size, 3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Protocol

import numpy as np
import numpy.typing as npt

from augcli.augment.decode import Pixels

RowFault = tuple[int, str]
"""Which of the asked-for views can't be had, by its place, and why, in full."""


@dataclass(frozen=True)
class Labelled:
    """The samples of a split, sorted by key: `labels` int64, shape (samples,)."""

    keys: Sequence[str]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def ids(self) -> npt.NDArray[np.uint64]:
        """A 64-bit hash of each key, and of which of its views it is: uint64 (samples,)."""
        digests = bytearray()
        for key, views in groupby(self.keys):
            for turn, _ in enumerate(views):
                salt = turn.to_bytes(8, "little")
                digests += hashlib.blake2b(key.encode(), digest_size=8, salt=salt).digest()
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
