"""One stream per view, drawn from in order by every transform of the view's policy.

numpy's part is Philox (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"):
counter-based, keyed by the view's 128-bit seed, so that streams of different views are
independent. Python's part is its Mersenne Twister, initialised with all 128 bits. Both are
reseeded in place, when first drawn from: transforms keep their references to the pair.
"""

from __future__ import annotations

import _random
import random
from typing import Any

import numpy as np

from augcli.manifests.hashing import SEED_BITS

_WORD = (1 << 64) - 1


class ViewStream:
    """The pair of generators that all transforms of a policy share."""

    def __init__(self) -> None:
        self._bits = np.random.Philox()
        self._key = np.zeros(2, np.uint64)
        self._fresh: dict[str, Any] = {
            "bit_generator": "Philox",
            "state": {"counter": np.zeros(4, np.uint64), "key": self._key},
            "buffer": np.zeros(4, np.uint64),
            "buffer_pos": 4,  # the buffer is empty
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
            OverflowError: `seed` has more bits than that, or is negative.
        """
        if seed >> SEED_BITS:
            raise OverflowError(f"the seed {seed} is not a number of {SEED_BITS} bits")
        self._seed = seed
        self._numpy_is_fresh = self._python_is_fresh = False

    def seed_all(self) -> None:
        """Seed both generators now, for transforms that hold references to them."""
        _ = self.numpy, self.python

    @property
    def numpy(self) -> np.random.Generator:
        """The `numpy.random.Generator`, always the same object."""
        if not self._numpy_is_fresh:
            self._key[0] = self._seed & _WORD
            self._key[1] = self._seed >> 64
            self._bits.state = self._fresh  # type: ignore[assignment]
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
