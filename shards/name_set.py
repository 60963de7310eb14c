"""A set of more names than should be in memory: eight bytes for each."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


class NameSet:
    """Knows names by Python's hash, which is another in each process: nobody can aim at it.

    Of other names, one in 2^64 / len(names) is taken for one of them.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._hashes = np.fromiter(map(hash, names), np.int64)
        self._hashes.sort()

    def __contains__(self, name: object) -> bool:
        place = self._hashes.searchsorted(hash(name))
        return bool(place < len(self._hashes) and self._hashes[place] == hash(name))
