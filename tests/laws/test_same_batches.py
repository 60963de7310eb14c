"""However views are loaded, kept or read from, the trainer sees the same batches: laws 1, 2, 9."""

from __future__ import annotations

import dataclasses
import gc
import itertools
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from augcli.augment import ExpandConfig, expand
from augcli.train import batch_memory
from augcli.train.batch import Batch
from augcli.train.config import TrainConfig
from augcli.train.device_memory import KeptOnDevice
from augcli.train.loader import BatchLoader
from augcli.train.run import train
from augcli.train.sources import open_sources

EPOCHS = 5
COPIES = 1  # two rounds, each seen more than twice
WAYS: list[dict[str, Any]] = [
    {"workers": 0, "memory": "0"},
    {"workers": 1, "memory": "0"},
    {"workers": 4, "memory": "0"},
    {"workers": 0},
    {"workers": 3},
    {"workers": 2, "loader": "processes", "memory": "0"},
    {"workers": 2, "loader": "processes"},
]


def expanded(codec: str, data: Path, folders: pytest.TempPathFactory) -> Path:
    out = folders.mktemp("expanded") / "out"
    expand(ExpandConfig(data=str(data), out=out, copies=COPIES, size=16, workers=1, codec=codec))
    return out


@pytest.fixture(scope="module", params=["jpeg", "png", "npy"])
def dataset(
    request: pytest.FixtureRequest, split_photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return expanded(request.param, split_photos, tmp_path_factory)


@pytest.fixture(scope="module")
def jpegs(split_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return expanded("jpeg", split_photos, tmp_path_factory)


def config_for(dataset: Path, source: str = "shards", **more: Any) -> TrainConfig:
    return TrainConfig(
        shards=dataset, source=source, batch_size=5, epochs=EPOCHS, device="cpu", **more
    )


def all_batches(config: TrainConfig) -> list[list[Batch]]:
    sources = open_sources(config, "cpu").sources
    try:
        assert sources.validation is not None
        train = [list(sources.train.batches(epoch)) for epoch in range(EPOCHS)]
        validation = [list(sources.validation.batches(0)) for _ in range(2)]
        return [*train, *validation]
    finally:
        sources.close()


def assert_same(first: list[list[Batch]], second: list[list[Batch]]) -> None:
    for one, other in zip(itertools.chain(*first), itertools.chain(*second), strict=True):
        assert one.keys == other.keys
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)
        assert one.indices.tolist() == other.indices.tolist()
        assert one.number == other.number


@pytest.mark.parametrize("source", ["shards", "on-the-fly", "none"])
def test_whoever_loads_and_whatever_is_kept(dataset: Path, source: str) -> None:
    first = all_batches(config_for(dataset, source, **WAYS[0]))
    assert len({batch.images.numpy().tobytes() for batch in first[0]}) > 1
    for way in WAYS[1:]:
        assert_same(all_batches(config_for(dataset, source, **way)), first)


@pytest.mark.parametrize("memory", ["0", "1GB"])
def test_from_stored_originals(dataset: Path, memory: str) -> None:
    """From a lossless codec they are the fitted images themselves; JPEG changes them a little."""
    config = config_for(dataset, "on-the-fly", memory=memory)
    folder = all_batches(config)
    stored = all_batches(dataclasses.replace(config, from_originals=True))
    if 'codec": "jpeg' not in (dataset / "manifest.json").read_text():
        assert_same(folder, stored)
        return
    pairs = list(zip(folder[0], stored[0], strict=True))
    assert all(one.keys == other.keys for one, other in pairs)
    difference = [(one.images.int() - other.images).abs().float().mean() for one, other in pairs]
    assert 0 < max(difference) < 8


def test_kept_on_a_device(dataset: Path) -> None:
    config = config_for(dataset, workers=1, memory="0")
    expected = all_batches(config)
    loader = open_sources(config, "cpu").sources.train
    assert isinstance(loader, BatchLoader)
    kept = KeptOnDevice(loader, 16, torch.device("cpu"))
    # A start in mid-epoch keeps only a part.
    assert_same([list(kept.batches(0, 3))], [expected[0][3:]])
    for epoch in range(EPOCHS):
        assert_same([list(kept.batches(epoch))], [expected[epoch]])
        assert_same([list(kept.batches(epoch, 2))], [expected[epoch][2:]])
        assert_same([list(kept.batches(epoch, 1, 3))], [list(loader.batches(epoch, 1, 3))])
    kept.close()


def test_each_sample_once_from_one_shard_after_another(split_photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    config = ExpandConfig(data=str(split_photos), out=out, copies=1, size=16, shard_size=3)
    expand(dataclasses.replace(config, workers=1))
    plain = all_batches(config_for(out))
    windowed = all_batches(config_for(out, shuffle_buffer=4))
    keys = [sorted(key for batch in epoch for key in batch.keys) for epoch in plain]
    assert [sorted(key for batch in epoch for key in batch.keys) for epoch in windowed] == keys
    assert [batch.keys for batch in windowed[0]] != [batch.keys for batch in windowed[2]]


@pytest.mark.usefixtures("sketches")
@pytest.mark.parametrize("source", ["shards", "on-the-fly"])
def test_the_same_losses_to_the_last_bit(
    jpegs: Path, tmp_path: Path, tiny: str, source: str
) -> None:
    losses = []
    for number, way in enumerate((WAYS[0], WAYS[1], WAYS[2], WAYS[6])):  # 0, 1 and 4 workers
        config = config_for(jpegs, source, residual="flip,shift,erase,mixup,cutmix", **way)
        result = train(
            dataclasses.replace(config, model=tiny, epochs=3, out=tmp_path / str(number))
        )
        losses.append([(row.train_loss, row.val_loss) for row in result.rows])
    assert all(found == losses[0] for found in losses[1:])
    assert len(set(losses[0])) == 3


def test_from_stored_originals_with_balanced_classes(photos: Path, tmp_path: Path) -> None:
    """Where a sample has several views per round, all are made from the one original."""
    data = Path(shutil.copytree(photos, tmp_path / "data"))
    rare = min(path for path in data.iterdir() if path.is_dir())
    for image in sorted(rare.iterdir())[3:]:
        image.unlink()
    out = tmp_path / "out"
    expand(
        ExpandConfig(
            data=str(data), out=out, copies=1, size=16, codec="npy", balance="full", workers=1
        )
    )
    config = config_for(out, "on-the-fly", memory="0")
    sources = open_sources(config, "cpu").sources
    keys = [key for batch in sources.train.batches(0) for key in batch.keys]
    assert len(keys) == sources.train.samples > len(set(keys))
    ids = sources.train.ids
    assert len(set(ids.tolist())) == len(ids), "fresh draws of each are its own"
    sources.close()
    assert_same(all_batches(config), all_batches(dataclasses.replace(config, from_originals=True)))
    assert_same(
        all_batches(dataclasses.replace(config, source="shards"))[:2], all_batches(config)[:2]
    )


@pytest.mark.parametrize(("source", "loader"), [("shards", "threads"), ("on-the-fly", "processes")])
def test_opening_and_closing_leaves_nothing(
    jpegs: Path, source: str, loader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not where other trainings on this machine have theirs.
    monkeypatch.setattr(batch_memory, "_shared_places", lambda: [str(tmp_path)])

    def used() -> tuple[int, int, int, int]:
        gc.collect()
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
        shared = len(list(tmp_path.iterdir()))
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        return descriptors, threading.active_count(), shared, len(children)

    def epoch(number: int) -> None:
        sources = open_sources(config_for(jpegs, source, loader=loader), "cpu").sources
        for batch in sources.train.batches(number):
            assert len(batch)
        sources.close()

    epoch(0)
    before = used()
    for number in range(50 if loader == "threads" else 10):  # processes take longer to start
        epoch(number)
    assert used() == before
