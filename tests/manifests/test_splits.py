"""Splits by hash: near their fractions, and moved by nothing but the key."""

from __future__ import annotations

from collections import Counter

import pytest

from augcli.manifests.errors import UsageError
from augcli.manifests.keys import sample_key
from augcli.manifests.splits import DEFAULT_FRACTION, SPLIT_NAMES, resolve_fractions, split_of

KEYS = [sample_key(f"class{number % 7}/{number}.jpg") for number in range(5000)]
NONE: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("val", "test"), [(0.15, 0.15), (0.0, 0.0), (0.5, 0.49), (0.0, 0.3), (0.1, 0.0)]
)
def test_fractions_are_near_their_target(val: float, test: float) -> None:
    counts = Counter(split_of(key, val, test) for key in KEYS)
    for split, expected in (("val", val), ("test", test), ("train", 1 - val - test)):
        assert abs(counts[split] / len(KEYS) - expected) < 0.02
        assert counts[split] == 0 or expected > 0


def test_every_class_is_split_alike() -> None:
    for label in range(7):
        keys = KEYS[label::7]
        held_out = sum(split_of(key, 0.15, 0.15) != "train" for key in keys)
        assert abs(held_out / len(keys) - 0.3) < 0.06


def test_more_validation_takes_nothing_from_test() -> None:
    """The test split depends on its own fraction only, so that results stay comparable."""
    for key in KEYS[:1000]:
        one, other = split_of(key, 0.1, 0.2), split_of(key, 0.4, 0.2)
        assert one == other or (one, other) == ("train", "val")


@pytest.mark.parametrize(
    ("present", "val", "test", "expected"),
    [
        (NONE, None, None, (DEFAULT_FRACTION, DEFAULT_FRACTION)),
        (NONE, 0.0, 0.0, (0.0, 0.0)),
        (NONE, 0.2, None, (0.2, DEFAULT_FRACTION)),
        ({"train"}, None, None, (DEFAULT_FRACTION, 0.0)),
        ({"train", "test"}, None, None, (DEFAULT_FRACTION, 0.0)),
        ({"train", "val"}, None, None, (0.0, 0.0)),
        ({"train", "val"}, None, 0.1, (0.0, 0.1)),
        ({"train", "val", "test"}, None, None, (0.0, 0.0)),
        ({"train", "val", "test"}, 0.0, 0.0, (0.0, 0.0)),
    ],
)
def test_fractions_by_what_the_data_bring(
    present: set[str],
    val: float | None,
    test: float | None,
    expected: tuple[float, float],
) -> None:
    assert resolve_fractions(frozenset(present), val, test) == expected


@pytest.mark.parametrize(
    ("present", "val", "test", "names"),
    [
        ({"train", "val"}, 0.2, None, ["--val-fraction", "own val"]),
        ({"train", "test"}, None, 0.2, ["--test-fraction", "own test"]),
        (NONE, 0.5, 0.5, ["--val-fraction 0.5", "--test-fraction 0.5"]),
        (NONE, 0.9, None, ["0.9", "0.15"]),
    ],
)
def test_impossible_fractions(
    present: set[str], val: float | None, test: float | None, names: list[str]
) -> None:
    with pytest.raises(UsageError) as error:
        resolve_fractions(frozenset(present), val, test)
    assert all(name in str(error.value) for name in names)


def test_synonyms_name_the_three_splits() -> None:
    assert set(SPLIT_NAMES.values()) == {"train", "val", "test"}
    assert all(name == name.lower() for name in SPLIT_NAMES)
