"""Hashes that decide things: recorded values, no collisions of parts, uniform."""

from __future__ import annotations

import hashlib
from itertools import product
from pathlib import Path

import pytest

from augcli.manifests.hashing import (
    SEED_BITS,
    fingerprint,
    key_fraction,
    sha256_bytes,
    sha256_file,
    view_seed,
)


def test_seeds_never_change() -> None:
    """Recorded values: another hash would change every view ever drawn."""
    assert view_seed(0, "cat-1", 1) == 0x6585741021AFE9DE85E1C1F4D249E33
    assert key_fraction("cat-1", "augcli-split") == 0.024232777591168264


def test_seeds_are_distinct_and_have_128_bits() -> None:
    parts = product(range(8), ("a", "b", "1", "11", ""), range(12))
    seeds = [view_seed(run, key, copy) for run, key, copy in parts]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 1 << SEED_BITS for seed in seeds)
    assert {(seed >> (SEED_BITS - 2)) for seed in seeds} == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("one", "other"),
    [((1, "k", 11), (11, "k", 1)), ((1, "1", 1), (11, "1", 1)), ((1, "k", 2), (2, "k", 1))],
)
def test_parts_of_a_seed_are_not_run_together(
    one: tuple[int, str, int], other: tuple[int, str, int]
) -> None:
    assert view_seed(*one) != view_seed(*other)


def test_fractions_are_uniform() -> None:
    values = sorted(key_fraction(f"key-{number}", "p") for number in range(4000))
    assert values[0] >= 0 and values[-1] < 1
    deviation = max(abs(value - rank / 4000) for rank, value in enumerate(values))
    assert deviation < 0.03  # Kolmogorov-Smirnov at 4000: 0.0257 is exceeded once in 100


def test_purposes_are_independent() -> None:
    keys = [f"key-{number}" for number in range(4000)]
    both = sum(key_fraction(k, "one") < 0.5 and key_fraction(k, "two") < 0.5 for k in keys)
    assert abs(both / 4000 - 0.25) < 0.03


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_sha256(tmp_path: Path, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    path = tmp_path / "file"
    path.write_bytes(data[:size])
    expected = hashlib.sha256(data[:size]).hexdigest()
    assert sha256_file(path) == expected
    assert sha256_bytes(memoryview(data)[:size]) == expected


def test_fingerprint_depends_on_where_lines_end() -> None:
    variants = [["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["a\0bc"], [], ["c", "ab"]]
    assert len({fingerprint(lines) for lines in variants}) == len(variants)
    assert fingerprint(iter(["ab", "c"])) == fingerprint(["ab", "c"])
