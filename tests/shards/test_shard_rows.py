"""Rows of shards as one goes through a table: the same ones, however the table has them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from augcli.augment import ExpandConfig, expand
from augcli.manifests.manifest import SAMPLES_FILE, Manifest, ShardRecord, read_manifest
from augcli.manifests.samples import ViewRow
from augcli.manifests.samples_file import SamplesFile, read_samples, rows_of
from augcli.shards import shard_rows as module
from augcli.shards.name_set import NameSet
from augcli.shards.shard_rows import portions, shard_rows
from augcli.shards.table_pieces import texts_once

FORMATS = ["tar", "folder"]
GROUP_ROWS = [1, 7, 10**6]


@pytest.fixture(scope="module", params=FORMATS)
def dataset(
    request: pytest.FixtureRequest, photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("shard-rows") / "out"
    form = request.param
    expand(
        ExpandConfig(
            data=str(photos), out=out, copies=2, size=8, shard_size=6, workers=1, format=form
        )
    )
    return out


def rewritten(dataset: Path, path: Path, group_rows: int, *, shuffled: bool) -> list[ViewRow]:
    """The same table in other row groups, and its rows."""
    table = pq.read_table(dataset / SAMPLES_FILE)
    order = list(range(len(table)))
    if shuffled:
        random.Random(0).shuffle(order)
    pq.write_table(table.take(order), path, row_group_size=group_rows)
    return rows_of(read_samples(path))


def by_hand(manifest: Manifest, rows: list[ViewRow]) -> Iterator[tuple[ShardRecord, list[ViewRow]]]:
    first = 0
    for shard in manifest.shards:
        if manifest.options["format"] == "tar":
            yield shard, [row for row in rows if row.shard == shard.name]
        else:
            yield shard, rows[first : first + shard.views]
        first += shard.views


@pytest.mark.parametrize("group_rows", GROUP_ROWS)
@pytest.mark.parametrize("shuffled", [False, True], ids=["as written", "shuffled"])
def test_each_shard_has_its_rows(
    dataset: Path, tmp_path: Path, group_rows: int, shuffled: bool
) -> None:
    manifest = read_manifest(dataset)
    rows = rewritten(dataset, tmp_path / SAMPLES_FILE, group_rows, shuffled=shuffled)
    with closing(SamplesFile(tmp_path / SAMPLES_FILE)) as table:
        found = list(shard_rows(manifest, table))
    assert dict(found) == dict(by_hand(manifest, rows))
    assert len(found) == len(manifest.shards)
    if not shuffled:
        assert [shard for shard, _ in found] == list(manifest.shards)


def test_rows_without_a_shard_and_shards_without_rows(dataset: Path) -> None:
    manifest = read_manifest(dataset)
    extra = replace(manifest.shards[0], name="train-r007-00000", round=7)
    changed = replace(manifest, shards=(extra, *manifest.shards[2:]))
    with closing(SamplesFile(dataset / SAMPLES_FILE)) as table:
        found = dict(shard_rows(changed, table))
    rows = rows_of(read_samples(dataset / SAMPLES_FILE))
    assert found == dict(by_hand(changed, rows))


@pytest.mark.parametrize("views", [0, 1, 2**63 - 1])
def test_a_count_that_is_not_that_of_the_rows(dataset: Path, views: int) -> None:
    manifest = read_manifest(dataset)
    wrong = replace(manifest.shards[1], views=views)
    changed = replace(manifest, shards=(manifest.shards[0], wrong, *manifest.shards[2:]))
    with closing(SamplesFile(dataset / SAMPLES_FILE)) as table:
        found = dict(shard_rows(changed, table))
    assert found == dict(by_hand(changed, rows_of(read_samples(dataset / SAMPLES_FILE))))


def test_portions_have_few_rows(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 13)
    with closing(SamplesFile(dataset / SAMPLES_FILE)) as table:
        shards = list(shard_rows(read_manifest(dataset), table))
    some = list(portions(shards))
    assert [pair for part in some for pair in part] == shards
    assert len(some) > 2
    assert all(len(part) == 1 or sum(len(rows) for _, rows in part) <= 13 for part in some)


@pytest.mark.parametrize("group_rows", GROUP_ROWS)
def test_each_text_once(dataset: Path, tmp_path: Path, group_rows: int) -> None:
    rows = rewritten(dataset, tmp_path / SAMPLES_FILE, group_rows, shuffled=True)
    with closing(SamplesFile(tmp_path / SAMPLES_FILE)) as table:
        numbers, texts = texts_once(table, "key")
    names = texts.to_pylist()
    assert len(set(names)) == len(names)
    assert [names[number] for number in numbers] == [row.key for row in rows]


def test_names_of_a_set() -> None:
    names = [f"train/a/view-{number}.jpg" for number in range(5000)]
    known = NameSet(names)
    assert all(name in known for name in names)
    assert not any(f"{name}x" in known for name in names)
    assert "anything" not in NameSet(())
