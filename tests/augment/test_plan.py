"""The plan: each sample once per round, only training data augmented, order and workers nothing."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from augcli.augment.plan import (
    MAX_SHARD_SAMPLES,
    MIN_SHARD_SAMPLES,
    TASKS_WANTED,
    Plan,
    default_shard_size,
    make_plan,
    shard_order,
)
from augcli.manifests.balance import ONCE
from augcli.manifests.hashing import key_fraction
from augcli.manifests.keys import sample_key
from augcli.manifests.reference import Reference
from augcli.manifests.rounds import copies_of_round
from augcli.manifests.sample_list import SPLITS, Sample, Samples

COUNTS = {"train": 100, "val": 23, "test": 7}
REPEATS = (ONCE,) * 3


def reference(**counts: int) -> Reference:
    samples = Samples.of(
        Sample(sample_key(f"{split}/{n % 3}/{n}.jpg"), f"{split}/{n % 3}/{n}.jpg", split, n % 3)
        for split, count in counts.items()
        for n in range(count)
    )
    return Reference("mock", "", Path("nowhere"), ("0", "1", "2"), samples)


def plan(copies: int = 3, originals: bool = True, shard_size: int | None = 16) -> Plan:
    return make_plan(
        reference(**COUNTS),
        copies=copies,
        originals=originals,
        shard_size=shard_size,
        repeats=REPEATS,
    )


@pytest.mark.parametrize("originals", [True, False])
@pytest.mark.parametrize("shard_size", [None, 1, 7, 16, 100, 1000])
@pytest.mark.parametrize("copies", [1, 3])
def test_each_sample_once_per_round(copies: int, shard_size: int | None, originals: bool) -> None:
    made = plan(copies, originals, shard_size)
    assert made.rounds == copies + originals
    seen: Counter[tuple[str, int, int]] = Counter()
    for task in made.tasks:
        assert {sample.split for sample in task.samples} == {task.split}
        for shard in task.shards:
            for sample, repeats in zip(task.samples, task.repeats, strict=True):
                copies_now = copies_of_round(shard.round, repeats, originals)
                for copy in copies_now if task.split == "train" else (0,):
                    seen[sample.key, shard.round, copy] += 1
    first = 0 if originals else 1
    expected = {
        (sample.key, number, number + first if sample.split == "train" else 0)
        for sample in reference(**COUNTS).samples
        for number in range(made.rounds if sample.split == "train" else 1)
    }
    assert seen == dict.fromkeys(expected, 1)
    assert made.views == len(expected) == sum(task.views for task in made.tasks)


@pytest.mark.parametrize("originals", [True, False])
def test_only_training_data_are_augmented(originals: bool) -> None:
    for task in plan(originals=originals).tasks:
        if task.split != "train":
            assert [shard.round for shard in task.shards] == [0]
            assert set(task.repeats) == {1}


@pytest.mark.parametrize("shard_size", [1, 7, 16, 99, 100, 101])
def test_chunks_are_full_but_the_last(shard_size: int) -> None:
    made = plan(shard_size=shard_size)
    for split, count in COUNTS.items():
        sizes = [len(task.samples) for task in made.tasks if task.split == split]
        assert sum(sizes) == count
        assert set(sizes[:-1]) <= {shard_size}
        assert 0 < sizes[-1] <= shard_size


def test_order_of_samples_changes_nothing() -> None:
    given = reference(**COUNTS)
    expected = make_plan(given, copies=2, originals=True, shard_size=10, repeats=REPEATS)
    for seed in range(3):
        shuffled = tuple(random.Random(seed).sample(given.samples, len(given.samples)))
        other = replace(given, samples=Samples.of(shuffled))
        made = make_plan(other, copies=2, originals=True, shard_size=10, repeats=REPEATS)
        assert made == expected


def test_equal_hashes_are_ordered_by_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """As among ten million keys now and then: the order of samples must not show even so."""

    def rough(key: str, purpose: str) -> float:
        return round(key_fraction(key, purpose), 1)

    samples = reference(**COUNTS).samples
    expected = sorted(samples, key=lambda s: (rough(s.key, "augcli-order"), s.key))
    monkeypatch.setattr("augcli.augment.plan.key_fraction", rough)
    assert shard_order(samples) == expected
    assert shard_order(samples[::-1]) == expected


def test_classes_are_mixed_in_a_chunk() -> None:
    for task in plan(shard_size=25).tasks:
        if task.split == "train":
            assert len({sample.label for sample in task.samples}) == 3


def test_names_are_unique_and_in_order() -> None:
    tasks = plan(copies=12).tasks
    names = [shard.name for task in tasks for shard in task.shards]
    assert len(set(names)) == len(names)
    assert len({task.name for task in tasks}) == len(tasks)
    assert [task.split for task in tasks] == sorted(
        (task.split for task in tasks), key=SPLITS.index
    )
    for task in tasks:
        assert [shard.name for shard in task.shards] == sorted(s.name for s in task.shards)


def test_no_samples_no_tasks() -> None:
    made = make_plan(reference(train=2), copies=1, originals=True, shard_size=None, repeats=REPEATS)
    assert {task.split for task in made.tasks} == {"train"}


@pytest.mark.parametrize("samples", [0, 1, 31, 1000, 1024, 1025, 5000, 32_768, 10**6, 10**8])
def test_default_shard_size(samples: int) -> None:
    size = default_shard_size(samples)
    assert MIN_SHARD_SAMPLES <= size <= MAX_SHARD_SAMPLES
    if MIN_SHARD_SAMPLES < size < MAX_SHARD_SAMPLES:
        assert -(-samples // size) <= TASKS_WANTED
    assert size <= default_shard_size(samples + 1)
