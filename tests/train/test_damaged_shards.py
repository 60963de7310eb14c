"""What happened to a shard is told with its name, key and offset, or the view is skipped."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from augcli.augment.config import ExpandConfig
from augcli.augment.expansion import expand
from augcli.manifests.errors import AugcliError
from augcli.manifests.samples_file import read_samples
from augcli.train.config import TrainConfig
from augcli.train.run import train
from augcli.train.sources import open_sources

ROUND = 1  # which is damaged

pytestmark = pytest.mark.usefixtures("sketches", "tiny")


@pytest.fixture(scope="module")
def whole(split_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = Path(tmp_path_factory.mktemp("expanded") / "out")
    expand(ExpandConfig(data=str(split_photos), out=out, copies=1, size=16, codec="png", workers=1))
    return out


@pytest.fixture
def dataset(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "dataset"))


@pytest.fixture
def config(dataset: Path) -> TrainConfig:
    return TrainConfig(
        shards=dataset, model="tiny", batch_size=4, epochs=2, workers=1, device="cpu"
    )


def rows(dataset: Path) -> list[dict[str, Any]]:
    table: pa.Table = read_samples(dataset / "samples.parquet", split="train", round=ROUND)
    return list(table.to_pylist())


def shard(dataset: Path) -> Path:
    return dataset / "shards" / str(rows(dataset)[0]["shard"])


def flip_a_bit(dataset: Path) -> set[str]:
    row = rows(dataset)[3]
    data = bytearray(shard(dataset).read_bytes())
    data[row["offset"] + row["length"] - 5] ^= 4
    shard(dataset).write_bytes(data)
    return {str(row["key"])}


def truncate(dataset: Path) -> set[str]:
    found = rows(dataset)
    end = found[-2]["offset"] + found[-2]["length"] // 2
    shard(dataset).write_bytes(shard(dataset).read_bytes()[:end])
    return {str(row["key"]) for row in found if row["offset"] + row["length"] > end}


def remove(dataset: Path) -> set[str]:
    shard(dataset).unlink()
    return {str(row["key"]) for row in rows(dataset)}


def empty(dataset: Path) -> set[str]:
    shard(dataset).write_bytes(b"")
    return {str(row["key"]) for row in rows(dataset)}


def swap(dataset: Path) -> set[str]:
    """Another shard of the same size and samples under this one's name."""
    other = Path(str(shard(dataset)).replace(f"r{ROUND:03}", "r000"))
    data = other.read_bytes()
    shard(dataset).write_bytes(data.ljust(shard(dataset).stat().st_size, b"\0"))
    return {str(row["key"]) for row in rows(dataset)}


DAMAGE = [flip_a_bit, truncate, remove, empty, swap]


def read_all(config: TrainConfig) -> tuple[list[str], list[str], list[str]]:
    sources = open_sources(config, "cpu").sources
    try:
        batches = list(sources.train.batches(ROUND))
    finally:
        sources.close()
    return (
        [key for batch in batches for key in batch.keys],
        [fault.key for batch in batches for fault in batch.faults],
        [fault.reason for batch in batches for fault in batch.faults],
    )


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("workers", [0, 2])
def test_named(
    dataset: Path, config: TrainConfig, damage: Callable[[Path], set[str]], workers: int
) -> None:
    keys = damage(dataset)
    with pytest.raises(AugcliError) as failed:
        read_all(dataclasses.replace(config, workers=workers))
    message = str(failed.value)
    assert str(shard(dataset)) in message
    named = re.search(r"the view of (\S+) at byte (\d+)", message)
    assert named is not None and named[1] in keys, message
    offsets = {str(row["key"]): row["offset"] for row in rows(dataset)}
    assert int(named[2]) == offsets[named[1]]
    assert "expand again" in message


@pytest.mark.parametrize("damage", DAMAGE)
def test_or_skipped(dataset: Path, config: TrainConfig, damage: Callable[[Path], set[str]]) -> None:
    keys = damage(dataset)
    read, skipped, reasons = read_all(dataclasses.replace(config, on_error="skip"))
    everything = {str(row["key"]) for row in rows(dataset)}
    assert sorted(read) == sorted(everything - set(skipped))
    assert len(skipped) == len(set(skipped))
    assert set(skipped) <= keys if damage is swap else set(skipped) == keys
    assert skipped and all(str(shard(dataset)) in reason for reason in reasons)


def test_a_training_counts_what_it_skips(
    dataset: Path, config: TrainConfig, tmp_path: Path
) -> None:
    damaged = flip_a_bit(dataset)
    skipping = dataclasses.replace(config, on_error="skip", out=tmp_path / "run")
    result = train(skipping)
    assert [row.skipped for row in result.rows] == [0, 1]
    header, *lines = (tmp_path / "run" / "summary.csv").read_text().splitlines()
    (told,) = map(json.loads, (tmp_path / "run" / "skipped.jsonl").read_text().splitlines())
    assert told["epoch"] == 2 and {told["key"]} == damaged and "at byte" in told["reason"]
    assert [line.split(",")[header.split(",").index("skipped")] for line in lines] == ["0", "1"]


def test_a_round_without_a_readable_view_is_an_error(
    dataset: Path, config: TrainConfig, tmp_path: Path
) -> None:
    remove(dataset)
    with pytest.raises(AugcliError, match=r"epoch 2: not one view can be read"):
        train(dataclasses.replace(config, on_error="skip", out=tmp_path / "run"))
