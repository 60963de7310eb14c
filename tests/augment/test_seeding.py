"""The view's stream: its seed is all that decides it, and every bit of the seed does."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest

from augcli.augment.seeding import ViewStream
from augcli.manifests.hashing import view_seed

WORD = (1 << 64) - 1
BASE = view_seed(0, "cat-1", 1)


def draws(stream: ViewStream) -> tuple[bytes, tuple[float, ...]]:
    """Of all kinds, so that buffered half words show."""
    numbers = stream.numpy.random(3), stream.numpy.integers(0, 100, 3, dtype=np.uint8)
    python = [stream.python.random(), stream.python.randint(0, 1 << 40), stream.python.gauss(0, 1)]
    return b"".join(n.tobytes() for n in numbers), tuple(python)


def fresh(seed: int) -> tuple[bytes, tuple[float, ...]]:
    stream = ViewStream()
    stream.reseed(seed)
    return draws(stream)


@pytest.mark.parametrize("used", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("seed", [0, 1, 1 << 64, BASE, (1 << 128) - 1])
def test_reseeding_starts_from_the_beginning(seed: int, used: int) -> None:
    stream = ViewStream()
    numpy, python = stream.numpy, stream.python
    stream.reseed(BASE ^ 1)
    for _ in range(used):  # leaves half words and a spare gaussian behind
        stream.numpy.integers(0, 100, dtype=np.uint32)
        stream.numpy.random(dtype=np.float32)
        stream.python.gauss(0, 1)
    stream.reseed(seed)
    assert stream.numpy is numpy and stream.python is python
    assert draws(stream) == fresh(seed)


@pytest.mark.parametrize("byte", range(16))
def test_every_byte_of_the_seed_counts(byte: int) -> None:
    numbers, python = fresh(BASE)
    for flip in (1, 0x80):
        other_numbers, other_python = fresh(BASE ^ (flip << 8 * byte))
        assert other_numbers != numbers
        assert not set(other_python) & set(python)


def test_streams_of_copies_are_not_correlated() -> None:
    first = []
    for copy in range(2000):
        stream = ViewStream()
        stream.reseed(view_seed(0, "cat-1", copy))
        first.append((stream.numpy.random(), stream.python.random()))
    values = np.array(first)
    assert np.abs(values.mean(axis=0) - 0.5).max() < 0.03
    assert abs(np.corrcoef(values.T)[0, 1]) < 0.08
    lagged = np.corrcoef(values[:-1, 0], values[1:, 0])[0, 1]
    assert abs(lagged) < 0.08


def test_draws_never_change() -> None:
    """Recorded values: other generators would change every view ever drawn."""
    stream = ViewStream()
    stream.reseed(BASE)
    assert stream.numpy.integers(1 << 32) == 1111004399
    assert stream.python.getrandbits(32) == 3885558600


@pytest.mark.parametrize("seed", [1 << 128, -1])
def test_seeds_have_128_bits(seed: int) -> None:
    with pytest.raises(OverflowError):
        ViewStream().reseed(seed)


def sfc64(first: int, second: int, third: int) -> Iterator[int]:
    """Doty-Humphrey's generator as PractRand has it, seeded with three words: twelve rounds."""
    a, b, c, counter = first, second, third, 1
    for number in itertools.count():
        drawn = (a + b + counter) & WORD
        counter += 1
        a = b ^ (b >> 11)
        b = (c + (c << 3)) & WORD
        c = (((c << 24 | c >> 40) & WORD) + drawn) & WORD
        if number >= 12:
            yield drawn


@pytest.mark.parametrize("seed", [0, BASE, (1 << 128) - 1])
def test_sfc64_is_seeded_as_its_author_seeds_it(seed: int) -> None:
    stream = ViewStream()
    stream.reseed(seed)
    expected = sfc64(seed & WORD, seed >> 64, int.from_bytes(b"augcli\0\1", "big"))
    raw = stream.numpy.bit_generator.random_raw(5).tolist()
    assert raw == list(itertools.islice(expected, 5))
