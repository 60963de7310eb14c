"""Training from a URL: the same samples, once an epoch, whatever happens on the way."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
import torch

from augcli.augment.config import ExpandConfig
from augcli.augment.expansion import expand
from augcli.manifests.errors import AugcliError, UsageError
from augcli.train.batch import Batch
from augcli.train.config import TrainConfig
from augcli.train.run import train
from augcli.train.sources import open_sources

pytestmark = pytest.mark.usefixtures("sketches", "tiny")


@pytest.fixture(scope="module")
def local(split_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = Path(tmp_path_factory.mktemp("expanded") / "out")
    config = ExpandConfig(data=str(split_photos), out=out, copies=1, size=16, workers=1)
    expand(dataclasses.replace(config, shard_size=3))
    return out


@pytest.fixture
def url(local: Path) -> Iterator[str]:
    memory = fsspec.filesystem("memory")
    memory.put(str(local), "/bucket/dataset", recursive=True)
    yield "memory://bucket/dataset"
    memory.rm("/bucket", recursive=True)


def config_for(url: str, cache: Path, **more: object) -> TrainConfig:
    config = TrainConfig(
        shards=url, cache=cache, model="tiny", batch_size=4, epochs=4, device="cpu", workers=2
    )
    return dataclasses.replace(config, **more)  # type: ignore[arg-type]


def read(config: TrainConfig, epoch: int, start: int = 0) -> list[Batch]:
    sources = open_sources(config, "cpu").sources
    try:
        return list(sources.train.batches(epoch, start))
    finally:
        sources.close()


def by_key(batches: list[Batch]) -> dict[str, torch.Tensor]:
    return {
        key: image for batch in batches for key, image in zip(batch.keys, batch.images, strict=True)
    }


@pytest.mark.parametrize("buffer", [None, 1, 5])
def test_the_same_views_as_from_the_folder(
    local: Path, url: str, tmp_path: Path, buffer: int | None
) -> None:
    remote = config_for(url, tmp_path, shuffle_buffer=buffer)
    for epoch in range(3):
        near, far = read(config_for(str(local), tmp_path), epoch), read(remote, epoch)
        assert sum(map(len, near)) == sum(map(len, far)) == len(by_key(far))
        first, second = by_key(near), by_key(far)
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)


def test_an_epoch_can_be_gone_on_with(url: str, tmp_path: Path) -> None:
    config = config_for(url, tmp_path, shuffle_buffer=5)
    whole = read(config, 1)
    for start in range(1, len(whole)):
        rest = read(dataclasses.replace(config, cache=tmp_path / str(start)), 1, start)
        assert [batch.keys for batch in rest] == [batch.keys for batch in whole[start:]]


def test_a_cache_smaller_than_the_dataset(local: Path, url: str, tmp_path: Path) -> None:
    largest = max(path.stat().st_size for path in (local / "shards").glob("*.tar"))
    config = config_for(url, tmp_path, cache_size=str(2 * largest), memory="0")
    expected = by_key(read(config_for(str(local), tmp_path), 0))
    for _ in range(2):
        found = by_key(read(config, 0))
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], expected[key]) for key in found)


def test_a_whole_training(local: Path, url: str, tmp_path: Path) -> None:
    """In the same order, so with the same result, as from the folder."""
    far = train(config_for(url, tmp_path / "cache", out=tmp_path / "far", shuffle_buffer=8))
    near = train(
        config_for(str(local), tmp_path / "cache", out=tmp_path / "near", shuffle_buffer=8)
    )
    assert far.accuracy == near.accuracy
    assert [row.train_loss for row in far.rows] == [row.train_loss for row in near.rows]


def test_a_damaged_shard_is_named(url: str, tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    shard = next(
        path for path in memory.ls("/bucket/dataset/shards", detail=False) if "r001" in path
    )
    memory.pipe(shard, memory.cat(shard)[:-1024] + bytes(1023) + b"!")
    with pytest.raises(AugcliError) as failed:
        read(config_for(url, tmp_path), 1)
    message = str(failed.value)
    assert Path(shard).name in message and re.search(r"the view of \S+ at byte \d+", message)


@pytest.mark.parametrize(
    ("shards", "message"),
    [
        ("memory://bucket/none", "manifest.json"),
        ("pipe:cat manifest.json", "pipes"),
        ("ftp://user:secret@host/dataset", "unknown protocol 'ftp'"),
    ],
)
def test_what_cannot_be_opened(tmp_path: Path, shards: str, message: str) -> None:
    with pytest.raises((AugcliError, UsageError), match=message) as failed:
        read(config_for(shards, tmp_path), 0)
    assert "secret" not in str(failed.value)
