"""The rows of a dataset's stored views: in order whatever the file's, in little memory, checked."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augcli.manifests.arrays import Texts
from augcli.manifests.errors import AugcliError
from augcli.manifests.hashing import sha256_file
from augcli.manifests.manifest import SAMPLES_FILE, ShardRecord, SplitRecord
from augcli.manifests.samples import SCHEMA_NAMES, ViewRow, columns_of, schema, write_samples
from augcli.train.stored_samples import StoredSamples
from augcli.train.stored_views import StoredViews

CLASSES = 3
POOL = pa.proxy_memory_pool(pa.default_memory_pool())  # has to outlive what is allocated from it


def view(key: str, copy: int, number: int, split: str = "train", **fields: Any) -> ViewRow:
    shard = f"{split}-r{number:03d}-{len(key) % 2:05d}.tar"
    own = (key, f"a/{key}.jpg", "0" * 64, split, "a", len(key) % CLASSES, copy, number, "1")
    place = (shard, crc32(f"{key} {copy}".encode()) % 10**6, 100 + copy, 2**32 - 1 - copy, "[]")
    return ViewRow(*own, *place)._replace(**fields)


def stored(folder: Path, groups: Sequence[Sequence[ViewRow]], **manifest: Any) -> StoredSamples:
    """A table with these row groups, and a manifest that says of it what it is."""
    write_samples(folder / SAMPLES_FILE, map(columns_of, groups))
    return StoredSamples(
        folder, described(folder, [r for group in groups for r in group], manifest)
    )


def described(folder: Path, rows: Sequence[ViewRow], changes: dict[str, Any]) -> Any:
    rounds = len({row.round for row in rows if row.split == "train"})
    splits = {}
    for split in ("train", "val", "test"):
        views = sum(row.split == split for row in rows)
        in_round = views // rounds if split == "train" and rounds else views
        splits[split] = SplitRecord(0, views, (0,), (in_round,))
    shards = {
        (row.shard, row.split): ShardRecord(row.shard, row.split, row.round, 0, 1, 1, "")
        for row in rows
    }
    content = {
        "rounds": rounds,
        "splits": splits,
        "classes": ("a",) * CLASSES,
        "options": {"format": "tar", "codec": "jpeg", "size": 8},
        "shards_of": lambda split: [s for (_, of), s in shards.items() if of == split],
        "samples": SimpleNamespace(sha256=sha256_file(folder / SAMPLES_FILE)),
    }
    return SimpleNamespace(**{**content, **changes})


def once_in_each_round(rng: np.random.Generator) -> list[list[ViewRow]]:
    """As augcli writes them: chunks of samples, all of their rounds in a row group."""
    keys = iter(rng.permutation([f"key{'é' * (n % 3)}-{n}" for n in range(60)]).tolist())
    groups = []
    for size in (20, 13, 20, 7):
        chunk = [next(keys) for _ in range(size)]
        groups.append([view(key, r, r) for r in range(4) for key in chunk])
    return groups


def more_often(rng: np.random.Generator) -> list[list[ViewRow]]:
    """Where balancing repeats some."""
    groups = []
    for chunk in range(3):
        often = {f"key-{chunk}-{n}": n % 3 + 1 for n in rng.permutation(15).tolist()}
        groups.append(
            [view(k, r * o + c, r) for r in range(3) for k, o in often.items() for c in range(o)]
        )
    return groups


def shuffled(rng: np.random.Generator, groups: list[list[ViewRow]]) -> list[list[ViewRow]]:
    """The rows of all splits, in no order, in row groups that have nothing to do with them."""
    rows = [row for group in groups for row in group]
    rows += [view(f"val-{n}", 0, 0, "val") for n in range(9)]
    rows = [rows[n] for n in rng.permutation(len(rows)).tolist()]
    cuts = sorted(rng.integers(0, len(rows), 5).tolist())
    parts = zip([0, *cuts], [*cuts, len(rows)], strict=True)
    return [rows[first:last] for first, last in parts if first < last]


def other_rounds(groups: list[list[ViewRow]]) -> list[list[ViewRow]]:
    """Rounds that are not numbered 0, 1, …"""
    return [[row._replace(round=7 * row.round - 3) for row in group] for group in groups]


def tables() -> Iterator[Any]:
    rng = np.random.default_rng(0)
    for make in (once_in_each_round, more_often):
        yield pytest.param(make(rng), id=make.__name__)
        yield pytest.param(shuffled(rng, make(rng)), id=f"{make.__name__}, shuffled")
        yield pytest.param(other_rounds(make(rng)), id=f"{make.__name__}, other rounds")


@pytest.mark.parametrize("rows_at_once", [1, 100, 10**6])
@pytest.mark.parametrize("small_rows", [0, 10**6])
@pytest.mark.parametrize("groups", list(tables()))
def test_in_order(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    groups: list[list[ViewRow]],
    rows_at_once: int,
    small_rows: int,
) -> None:
    """By round, key and copy, however the file is read."""
    monkeypatch.setattr("augcli.manifests.samples_file._ROWS_AT_ONCE", rows_at_once)
    monkeypatch.setattr("augcli.train.row_order._SMALL_ROWS", small_rows)
    samples = stored(tmp_path, groups)
    for split in ("train", "val", "test"):
        rows = [row for group in groups for row in group if row.split == split]
        rows.sort(key=lambda row: (row.round, row.key.encode(), row.copy))
        table = samples.of_split(split, SCHEMA_NAMES)
        assert {name: table.column(name).to_pylist() for name in SCHEMA_NAMES} == columns_of(rows)
        columns = samples.views_of(split)
        first = [row for row in rows if row.round == rows[0].round]
        assert columns.keys == [row.key for row in first]
        assert columns.labels.tolist() == [row.label for row in first]
        found = zip(
            columns.shards, columns.offsets, columns.lengths, columns.checksums, strict=True
        )
        assert [(columns.shard_names[place[0]], *place[1:]) for place in found] == [
            (row.shard, row.offset, row.length, row.crc32) for row in rows
        ]


@pytest.mark.parametrize("make", [once_in_each_round, more_often])
def test_what_augcli_writes_is_not_sorted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any
) -> None:
    """As a whole, which would take as much memory as all that is read."""
    monkeypatch.delattr("augcli.train.row_order.Keyed._sorted")
    samples = stored(tmp_path, make(np.random.default_rng(5)))
    assert samples.views_of("train").keys


def test_the_same_copy_twice(tmp_path: Path) -> None:
    """Stays in the order of the file: `augcli verify` tells of it."""
    groups = [
        [view("b", 0, r), view("a", 0, r, length=1), view("a", 0, r, length=2)] for r in (0, 1)
    ]
    lengths = stored(tmp_path, groups).of_split("train", ["length"]).column(0)
    assert lengths.to_pylist() == [1, 2, 100] * 2


def test_a_text_is_in_memory_once(tmp_path: Path) -> None:
    groups = once_in_each_round(np.random.default_rng(1))
    table = stored(tmp_path, groups).of_split("train", ["key", "shard", "class"])
    for column in table.columns:
        texts = column.chunk(0).dictionary.to_pylist()
        assert sorted(texts) == sorted(set(column.to_pylist()))


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows[0]._replace(key="stranger"),
        lambda rows: rows[0]._replace(key=rows[1].key),
        lambda rows: rows[0]._replace(round=1),
        lambda rows: rows[0]._replace(round=99),
        lambda rows: rows[0]._replace(round=-1),
    ],
)
@pytest.mark.parametrize("make", [once_in_each_round, more_often])
def test_rounds_that_differ(tmp_path: Path, make: Any, change: Any) -> None:
    groups = make(np.random.default_rng(2))
    rounds = len(Counter(row.round for row in groups[0]))
    groups[0][0] = change(groups[0])
    count = sum(map(len, groups))
    splits = {"train": SplitRecord(0, count, (0,), (count // rounds,))}
    samples = stored(tmp_path, groups, rounds=rounds, splits=splits)
    for read in (samples.views_of, lambda split: samples.of_split(split, ["key"])):
        with pytest.raises(AugcliError, match=r"samples\.parquet: the train rounds differ in samp"):
            read("train")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"label": CLASSES}, "has labels 0 to 3 for 3 classes"),
        ({"label": -1}, "has labels -1 to 2 for 3 classes"),
        ({"shard": "x.tar"}, "names the shard x.tar, which is none of the train shards"),
    ],
)
@pytest.mark.parametrize("place", [0, -1])
def test_checked_in_all_rounds(
    tmp_path: Path, place: int, fields: dict[str, Any], message: str
) -> None:
    groups = once_in_each_round(np.random.default_rng(3))
    known = stored(tmp_path, groups)._manifest.shards_of
    groups[-1][place] = groups[-1][place]._replace(**fields)
    samples = stored(tmp_path, groups, shards_of=known)
    for read in (samples.views_of, lambda split: samples.of_split(split, ["key"])):
        with pytest.raises(AugcliError, match=message):
            read("train")


def large(folder: Path, chunks: int, size: int, rounds: int) -> Any:
    """A table as augcli writes it, of so many chunks of samples; its manifest."""
    with pq.ParquetWriter(folder / SAMPLES_FILE, schema(), compression="zstd") as writer:
        for chunk in range(chunks):
            numbers = np.random.default_rng(chunk).permutation(size)
            keys = pa.array([f"photograph-of-something-{chunk:05d}-{n:09d}" for n in numbers])
            every = np.tile(np.arange(size), rounds)
            by_round = np.repeat(np.arange(rounds), size)
            shards = pa.array([f"train-r{r:03d}-{chunk:05d}.tar" for r in range(rounds)])
            columns = dict.fromkeys(SCHEMA_NAMES, pa.array(["x"] * len(every)))
            columns |= {"key": keys.take(pa.array(every)), "shard": shards.take(pa.array(by_round))}
            columns |= {"split": pa.array(["train"] * len(every))}
            columns |= dict.fromkeys(("copy", "round"), pa.array(by_round, pa.int32()))
            columns["label"] = pa.array(every % CLASSES, pa.int32())
            columns["offset"] = pa.array(every * 20_480 + 512)
            columns["length"] = pa.array(every % 30_000 + by_round)
            columns["crc32"] = pa.array((every * 2_654_435_761 + by_round) % 2**32)
            writer.write_table(pa.table(columns, schema()))
    shards = [
        ShardRecord(f"train-r{r:03d}-{chunk:05d}.tar", "train", r, chunk, size, 1, "")
        for r in range(rounds)
        for chunk in range(chunks)
    ]
    views = chunks * size * rounds
    splits = {"train": SplitRecord(0, views, (0,), (views // rounds,))}
    changes = {"rounds": rounds, "splits": splits, "shards_of": lambda _: shards}
    return described(folder, [], changes)


def test_in_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening takes hardly more than what is kept, of which there is as little as can be."""
    monkeypatch.setattr("augcli.manifests.samples_file._ROWS_AT_ONCE", 1 << 13, raising=False)
    rounds, count = 6, 40 * 1000
    manifest = large(tmp_path, 40, 1000, rounds)
    samples = StoredSamples(tmp_path, manifest)
    before = pa.default_memory_pool()
    pa.set_memory_pool(POOL)
    tracemalloc.start()
    try:
        views = StoredViews(tmp_path, manifest, samples, "train")
        kept = tracemalloc.get_traced_memory()[0] + POOL.bytes_allocated()
        peak = tracemalloc.get_traced_memory()[1] + POOL.max_memory()
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(before)
    assert len(views.samples) == count
    key, label = len("photograph-of-something-00000-000000000") + 4, 8
    view_bytes = 4 + 2 + 4 + 1 + 1  # where it is, how long, its checksum, its shard; is it checked?
    least = key + label + rounds * view_bytes
    assert kept < 1.1 * least * count
    assert peak < 1.6 * least * count


def test_names_of_single_views_stay_in_arrow(tmp_path: Path) -> None:
    """In the folder format there are as many as views."""
    groups = [
        [row._replace(shard=f"train/a/{row.key}-c{row.copy}.jpg") for row in group]
        for group in once_in_each_round(np.random.default_rng(4))
    ]
    options = {"format": "folder", "codec": "jpeg", "size": 8}
    samples = stored(tmp_path, groups, options=options)
    views = StoredViews(tmp_path, samples._manifest, samples, "train")
    assert isinstance(views._shard_names, Texts)
    told = [why for _, why in views.read(np.arange(60), 1, np.zeros((60, 8, 8, 3), np.uint8))]
    for key, why in zip(views.samples.keys, told, strict=True):
        assert f"{tmp_path}/train/a/{key}-c1.jpg: can't be read" in why
