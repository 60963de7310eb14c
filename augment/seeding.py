"""One stream per view, drawn from in order by every transform of the view's policy.

numpy's part is SFC64 (Doty-Humphrey's "small fast chaotic" generator, from PractRand): 256 bits of
state, of which the view's 128-bit seed fills half and a counter a quarter, so that a stream repeats
after 2^64 draws at the earliest, and streams of different seeds start at unrelated points of a
space of 2^192. It draws noise for every pixel in less than half of the time that Philox needs.
Python's part is its Mersenne Twister, initialised with all 128 bits. Both are reseeded in place,
when first drawn from: transforms keep their references to the pair.
"""

from __future__ import annotations

import _random
import random
from typing import Any

import numpy as np

from augcli.manifests.hashing import SEED_BITS

_WORD = (1 << 64) - 1
_THIRD_WORD = 0x6175_6763_6C69_0001  # SFC64 has three words of seed: "augcli", 1
_MIXING_ROUNDS = 12  # of SFC64's own seeding: then every bit of the seed is in every word


class ViewStream:
    """The pair of generators that all transforms of a policy share."""

    def __init__(self) -> None:
        self._bits = np.random.SFC64(0)
        self._words = np.zeros(4, np.uint64)
        self._fresh: dict[str, Any] = {
            "bit_generator": "SFC64",
            "state": {"state": self._words},
            "has_uint32": 0,
            "uinteger": 0,
        }
        self._numpy = np.random.Generator(self._bits)
        self._python = random.Random(0)
        self._seed = 0
        self._numpy_is_fresh = self._python_is_fresh = False

    def reseed(self, seed: int) -> None:
        """Start the stream of `seed`, a number of 128 bits, from its beginning.

        Raises:
            OverflowError: it has more bits, or is negative.
        """
        if seed >> SEED_BITS:
            raise OverflowError(f"seed {seed}: expected a number from 0 to 2^{SEED_BITS} - 1")
        self._seed = seed
        self._numpy_is_fresh = self._python_is_fresh = False

    def seed_all(self) -> None:
        """Seed both generators now, for transforms that hold references to them."""
        _ = self.numpy, self.python

    @property
    def numpy(self) -> np.random.Generator:
        """The `numpy.random.Generator`, always the same object."""
        if not self._numpy_is_fresh:
            self._words[:] = (self._seed & _WORD, self._seed >> 64, _THIRD_WORD, 1)
            self._bits.state = self._fresh  # type: ignore[assignment]
            self._bits.random_raw(_MIXING_ROUNDS, output=False)
            self._numpy_is_fresh = True
        return self._numpy

    @property
    def python(self) -> random.Random:
        """The `random.Random`, always the same object."""
        if not self._python_is_fresh:
            _random.Random.seed(self._python, self._seed)  # what Random.seed does with a number
            self._python.gauss_next = None  # type: ignore[attr-defined]
            self._python_is_fresh = True
        return self._python
