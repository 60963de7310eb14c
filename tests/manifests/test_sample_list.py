"""Samples in columns are the samples that went in, and take the memory that is promised."""

from __future__ import annotations

import pickle
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from augcli.manifests.sample_list import SPLITS, Sample, Samples

SAMPLES = [
    Sample("a-1", "a/1.jpg", "train", 0),
    Sample("ä-2", "ä/日本 2.jpg", "val", 1),
    Sample("", "", "test", 2_000_000),
    Sample("a-3", "a/3 .jpg", "train", 0),
    Sample("b-4", "b/4.jpg", "train", 1),
]
MANY = 20_000
BYTES = 25  # beside the names


def many() -> Iterator[Sample]:
    for number in range(MANY):
        yield Sample(f"key-{number:08d}", f"folder/{number:08d}.jpg", SPLITS[number % 3], number)


def test_what_went_in_comes_out() -> None:
    samples = Samples.of(iter(SAMPLES))
    assert list(samples) == [samples[n] for n in range(len(samples))] == SAMPLES
    assert samples[-1] == SAMPLES[-1]
    assert list(samples.keys) == [sample.key for sample in SAMPLES]
    assert list(samples.sources) == [sample.source for sample in SAMPLES]
    assert [SPLITS[split] for split in samples.splits] == [sample.split for sample in SAMPLES]
    assert samples.labels.tolist() == [sample.label for sample in SAMPLES]


def test_more_than_are_unpacked_at_a_time() -> None:
    assert list(Samples.of(many())) == list(many())


def test_parts_are_what_lists_would_have() -> None:
    samples = Samples.of(SAMPLES)
    assert samples[1:4] == SAMPLES[1:4]
    assert samples[::-1] == SAMPLES[::-1]
    assert samples[::-1][1:][::2] == SAMPLES[::-1][1:][::2]
    assert samples.take(np.array([4, 0, 0])) == [SAMPLES[4], SAMPLES[0], SAMPLES[0]]
    assert samples.of_split("train") == [s for s in SAMPLES if s.split == "train"]
    assert samples.of_split("train").of_label(0) == [SAMPLES[0], SAMPLES[3]]
    assert samples.without({"a/1.jpg", "b/4.jpg", "elsewhere"}) == SAMPLES[1:4]
    assert samples.without(set()) == SAMPLES


def test_none_at_all() -> None:
    nothing = Samples.of([])
    assert (list(nothing), len(nothing.of_split("val")), nothing == []) == ([], 0, True)


@pytest.mark.parametrize("number", [5, -6])
def test_no_such_sample(number: int) -> None:
    with pytest.raises(IndexError):
        Samples.of(SAMPLES)[number]


def test_another_process_gets_the_part_only() -> None:
    part = Samples.of(many())[7:9]
    sent = pickle.dumps(part)
    assert len(sent) < 1000
    assert pickle.loads(sent) == list(many())[7:9]


def test_memory_is_that_of_the_names_and_little_more() -> None:
    names = sum(len(sample.key) + len(sample.source) for sample in many())
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        samples = Samples.of(many())
        parts = [samples.of_split(split) for split in SPLITS]
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert sum(map(len, parts)) == MANY
    # What grows keeps up to an eighth of its size in reserve; the parts are 4 bytes a sample more.
    assert taken < 9 / 8 * (names + (BYTES + 4) * MANY)
