"""Laws 1 and 2: a view is a pure function, and both sources show the same one, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from augcli.augment import ExpandConfig, expand
from augcli.augment.presets import PRESETS
from augcli.train.batch import Batch
from augcli.train.config import TrainConfig
from augcli.train.sources import open_sources

POLICIES = [
    *PRESETS,
    "autoaugment:cifar10",
    "autoaugment:svhn",
    "rotate-flip+autoaugment",
    "keras:brightness_range=[0.8,1.2],channel_shift_range=20,fill_mode=reflect",
]


def epoch_of(config: TrainConfig, epoch: int, start: int = 0) -> list[Batch]:
    sources = open_sources(config, "cpu").sources
    try:
        return list(sources.train.batches(epoch, start))
    finally:
        sources.close()


def assert_same_batches(first: list[Batch], second: list[Batch]) -> None:
    assert len(first) == len(second) > 0
    for one, other in zip(first, second, strict=True):
        assert one.keys == other.keys
        assert torch.equal(one.labels, other.labels)
        assert torch.equal(one.images, other.images)


@pytest.mark.parametrize("originals", [True, False])
@pytest.mark.parametrize("policy", POLICIES)
def test_stored_round_is_what_on_the_fly_draws(
    photos: Path, tmp_path: Path, policy: str, originals: bool
) -> None:
    out = tmp_path / "out"
    expand(
        ExpandConfig(
            data=str(photos),
            out=out,
            copies=2,
            policy=policy,
            size=32,
            codec="png",
            originals=originals,
            seed=11,
            workers=1,
        )
    )
    stored = TrainConfig(source="shards", shards=out, batch_size=5, workers=0)
    fresh = replace(stored, source="on-the-fly")
    for epoch in range(2 + originals):
        assert_same_batches(epoch_of(stored, epoch), epoch_of(fresh, epoch))


@pytest.mark.parametrize("codec", ["png", "webp", "npy"])
def test_every_lossless_codec_keeps_parity(photos: Path, tmp_path: Path, codec: str) -> None:
    out = tmp_path / "out"
    expand(ExpandConfig(data=str(photos), out=out, copies=1, size=40, codec=codec, workers=1))
    stored = TrainConfig(source="shards", shards=out, batch_size=4, workers=0)
    for epoch in range(2):
        fresh = epoch_of(replace(stored, source="on-the-fly"), epoch)
        assert_same_batches(epoch_of(stored, epoch), fresh)


@pytest.fixture(scope="module")
def dataset(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("expanded") / "out"
    expand(ExpandConfig(data=str(photos), out=out, copies=2, size=32, codec="png", workers=1))
    return out


@pytest.mark.parametrize("source", ["shards", "on-the-fly", "none"])
def test_workers_and_restarts_change_nothing(dataset: Path, source: str) -> None:
    config = TrainConfig(source=source, shards=dataset, batch_size=4, workers=0)
    whole = epoch_of(config, 1)
    assert_same_batches(whole, epoch_of(replace(config, workers=2), 1))
    for start in (1, len(whole) - 1):
        assert_same_batches(whole[start:], epoch_of(config, 1, start))
        assert_same_batches(whole[start:], epoch_of(replace(config, workers=1), 1, start))


@pytest.mark.parametrize("source", ["shards", "on-the-fly", "none"])
def test_every_sample_once_per_epoch_in_another_order(dataset: Path, source: str) -> None:
    config = TrainConfig(source=source, shards=dataset, batch_size=4, workers=0)
    sources = open_sources(config, "cpu").sources
    orders = [
        [key for batch in sources.train.batches(epoch) for key in batch.keys] for epoch in range(3)
    ]
    for order in orders:
        assert len(order) == sources.train.samples
        assert set(order) == set(orders[0])
        assert len(set(order)) == len(order)
    assert orders[0] != orders[1] != orders[2]


def test_a_batch_is_as_the_contract_says(dataset: Path) -> None:
    config = TrainConfig(source="shards", shards=dataset, batch_size=4, workers=0)
    batch = epoch_of(config, 0)[0]
    assert batch.images.dtype == torch.uint8
    assert batch.images.shape == (4, 3, 32, 32)
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert batch.labels.dtype == torch.int64
    assert len(batch.keys) == 4


def test_stored_rounds_repeat_and_fresh_ones_do_not(dataset: Path) -> None:
    config = TrainConfig(source="shards", shards=dataset, batch_size=64, workers=0)

    def by_key(source: str, epoch: int) -> dict[str, np.ndarray]:
        batch = epoch_of(replace(config, source=source), epoch)[0]
        return dict(zip(batch.keys, batch.images.numpy(), strict=True))

    stored, fresh = by_key("shards", 3), by_key("on-the-fly", 3)
    again = by_key("shards", 0)
    assert all(np.array_equal(stored[key], again[key]) for key in stored)
    assert not all(np.array_equal(stored[key], fresh[key]) for key in stored)


def test_the_first_rounds_are_those_of_fewer_copies(
    photos: Path, dataset: Path, tmp_path: Path
) -> None:
    fewer = tmp_path / "fewer"
    expand(ExpandConfig(data=str(photos), out=fewer, copies=1, size=32, codec="png", workers=1))
    config = TrainConfig(source="shards", batch_size=5, workers=0)
    for epoch in range(4):
        first = epoch_of(replace(config, shards=dataset, rounds=2), epoch)
        assert_same_batches(first, epoch_of(replace(config, shards=fewer), epoch))


@pytest.mark.parametrize("from_originals", [True, False])
def test_another_policy_on_the_fly_is_that_policy(
    photos: Path, dataset: Path, tmp_path: Path, from_originals: bool
) -> None:
    other = tmp_path / "other"
    config = ExpandConfig(
        data=str(photos), out=other, copies=1, policy="rotate-flip", size=32, codec="png", workers=1
    )
    expand(config)
    fresh = TrainConfig(
        source="on-the-fly", shards=dataset, policy="rotate-flip", from_originals=from_originals,
        batch_size=5, workers=0,
    )  # fmt: skip
    stored = TrainConfig(source="shards", shards=other, batch_size=5, workers=0)
    for epoch in range(2):
        assert_same_batches(epoch_of(fresh, epoch), epoch_of(stored, epoch))


def test_validation_and_test_are_never_augmented(photos: Path, dataset: Path) -> None:
    config = TrainConfig(source="shards", shards=dataset, batch_size=64, workers=0)
    plain = TrainConfig(
        source="on-the-fly", data=str(photos), size=32, policy="augmentor", batch_size=64, workers=0
    )
    stored, direct = open_sources(config, "cpu").sources, open_sources(plain, "cpu").sources
    for split in ("validation", "test"):
        first = getattr(stored, split)
        second = getattr(direct, split)
        assert_same_batches(list(first.batches(0)), list(second.batches(5)))
