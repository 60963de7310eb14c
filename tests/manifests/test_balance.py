"""Balancing: as many views per round of each class as was asked for, decided key by key."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from augcli.manifests.balance import BALANCE_MODES, ONCE, ClassRepeats, balanced, views_per_round
from augcli.manifests.reference import Reference
from augcli.manifests.sample_list import Sample, Samples

COUNTS = [(10, 10), (7, 100), (1, 99, 50), (3, 1, 2, 1000), (33, 32, 31)]


def reference(counts: tuple[int, ...], first: int = 0) -> Reference:
    samples = [
        Sample(f"key-{label}-{number}", f"{label}/{number}.jpg", "train", label)
        for label, count in enumerate(counts)
        for number in range(first, first + count)
    ]
    held_out = [
        Sample(f"held-{label}-{n}", f"{label}/held-{n}.jpg", "val", label)
        for label in range(len(counts))
        for n in range(5)
    ]
    classes = tuple(f"class{label}" for label in range(len(counts)))
    return Reference("test", "", Path(), classes, Samples.of((*samples, *held_out)))


def views(ref: Reference, mode: str) -> tuple[int, ...]:
    return views_per_round(ref.of_split("train"), balanced(ref, mode))


@pytest.mark.parametrize("counts", COUNTS)
def test_full_gives_every_class_the_views_of_the_largest(counts: tuple[int, ...]) -> None:
    assert views(reference(counts), "full") == (max(counts),) * len(counts)


@pytest.mark.parametrize("counts", COUNTS)
def test_sqrt_is_half_way(counts: tuple[int, ...]) -> None:
    expected = tuple(round(math.sqrt(count * max(counts))) for count in counts)
    assert views(reference(counts), "sqrt") == expected


@pytest.mark.parametrize("counts", COUNTS)
def test_none_shows_each_once(counts: tuple[int, ...]) -> None:
    assert balanced(reference(counts), "none") == (ONCE,) * len(counts)
    assert views(reference(counts), "none") == counts


@pytest.mark.parametrize("mode", BALANCE_MODES)
@pytest.mark.parametrize("counts", COUNTS)
def test_samples_of_a_class_differ_by_one_view_at_most(counts: tuple[int, ...], mode: str) -> None:
    ref = reference(counts)
    repeats = balanced(ref, mode)
    for label in range(len(counts)):
        often = {repeats[label].of(s.key) for s in ref.of_split("train") if s.label == label}
        assert max(often) - min(often) <= 1
        assert min(often) >= 1


@pytest.mark.parametrize("mode", ["full", "sqrt"])
def test_position_and_company_decide_nothing(mode: str) -> None:
    """The multiplicity of a sample depends on its key and its class's threshold only."""
    ref = reference((7, 100))
    shuffled = Reference("test", "", Path(), ref.classes, ref.samples[::-1])
    assert balanced(ref, mode) == balanced(shuffled, mode)
    repeats = balanced(ref, mode)[0]
    grown = reference((9, 100))
    before = {s.key: repeats.of(s.key) for s in ref.of_split("train") if s.label == 0}
    after = {s.key: repeats.of(s.key) for s in grown.of_split("train") if s.label == 0}
    assert before.items() < after.items()


def test_who_is_shown_once_more_is_spread_over_the_keys() -> None:
    """Half of them, and not the first half."""
    repeats = ClassRepeats(1, 0.5)
    often = [repeats.of(f"key-{number}") for number in range(1000)]
    assert set(often) == {1, 2}
    assert 420 < often.count(2) < 580
    assert 200 < often[:500].count(2) < 300


def test_only_training_images_count() -> None:
    ref = reference((2, 4))
    more = [Sample(f"v-{n}", f"0/v-{n}.jpg", "val", 0) for n in range(50)]
    assert balanced(ref, "full") == balanced(
        Reference("test", "", Path(), ref.classes, Samples.of((*ref.samples, *more))), "full"
    )


def test_a_class_without_training_images_is_no_trouble() -> None:
    assert balanced(reference((0, 4)), "full") == (ONCE, ClassRepeats(1, 0.0))
