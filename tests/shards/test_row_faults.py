"""What the table and the manifest say of each other: in little memory, and in the order of rows."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augcli.augment import ExpandConfig, expand
from augcli.manifests.errors import AugcliError
from augcli.manifests.hashing import sha256_bytes, view_seed
from augcli.manifests.keys import sample_key
from augcli.manifests.manifest import (
    SAMPLES_FILE,
    FileRecord,
    Manifest,
    ShardRecord,
    SplitRecord,
    read_manifest,
)
from augcli.manifests.samples import Columns, ViewRow, columns_of, write_samples
from augcli.manifests.samples_file import SamplesFile
from augcli.shards import round_faults
from augcli.shards.leaks import find_leaks
from augcli.shards.row_faults import row_faults
from augcli.shards.shard_rows import shard_rows

ROUNDS = 6
CHUNK = 50


@pytest.fixture(scope="module")
def base(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    out = tmp_path_factory.mktemp("row-faults") / "out"
    expand(ExpandConfig(data=str(photos), out=out, copies=0, size=8, workers=1))
    return read_manifest(out)


def row_of(number: int, copy: int) -> ViewRow:
    """A training image's view in a table that is as it must be."""
    source = f"class/photograph-{number:08d}.jpg"
    key = sample_key(source)
    seed = f"{view_seed(0, key, copy) if copy else 0:032x}"
    place = (f"train-r{copy:03d}-{number // CHUNK:05d}.tar", number % CHUNK * 9, 9, number)
    applied = json.dumps([["Affine", {"rotate": number + copy / 7}]])
    sample = (key, source, sha256_bytes(source.encode()), "train", "class", 0)
    return ViewRow(*sample, copy, copy, seed, *place, applied)


def groups_of(images: int) -> Iterator[Columns]:
    for first in range(0, images, CHUNK):
        rounds = range(ROUNDS)
        numbers = range(first, first + CHUNK)
        yield columns_of([row_of(number, copy) for copy in rounds for number in numbers])


def made_up(base: Manifest, path: Path, images: int) -> Manifest:
    """A table of so many images and its manifest; there are no shards."""
    views = write_samples(path, groups_of(images))
    shards = tuple(
        ShardRecord(f"train-r{number:03d}-{chunk:05d}.tar", "train", number, chunk, CHUNK, 9, "")
        for chunk in range(images // CHUNK)
        for number in range(ROUNDS)
    )
    none = SplitRecord(0, 0, (0,), (0,))
    train = SplitRecord(images, views, (images,), (images,))
    return replace(
        base,
        classes=("class",),
        repeats=base.repeats[:1],
        rounds=ROUNDS,
        splits={"train": train, "val": none, "test": none},
        bytes={"images": 9 * views, "shards": 9 * len(shards)},
        reference=replace(base.reference, inputs=images, used=images, failures=0),
        failures=replace(base.failures, rows=0),
        samples=FileRecord(SAMPLES_FILE, views, ""),
        shards=shards,
    )


def told(manifest: Manifest, path: Path) -> list[str]:
    with closing(SamplesFile(path)) as table:
        return [f"{fault.where}: {fault.what}" for fault in row_faults(manifest, table)]


def peak_bytes(manifest: Manifest, path: Path) -> int:
    """The most that Python and NumPy had at a time, all checks of a table made."""
    tracemalloc.start()
    try:
        assert told(manifest, path) == []
        assert find_leaks(path) == ()
        with closing(SamplesFile(path)) as table:
            assert (
                sum(len(rows) for _, rows in shard_rows(manifest, table)) == manifest.samples.rows
            )
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_row_takes_few_bytes(base: Manifest, tmp_path: Path) -> None:
    """Was: a record of 1,900 bytes, and dictionaries of all of them."""
    few, many = (
        peak_bytes(made_up(base, tmp_path / SAMPLES_FILE, images), tmp_path / SAMPLES_FILE)
        for images in (1000, 4000)
    )
    assert many - few < 100 * (4000 - 1000) * ROUNDS


def test_faults_come_in_the_order_of_rows_and_of_checks(base: Manifest, tmp_path: Path) -> None:
    path = tmp_path / SAMPLES_FILE
    manifest = made_up(base, path, CHUNK)
    rows = pq.read_table(path).to_pylist()
    rows[7].update(seed="", label=5)
    rows[3].update({"class": "squid"})
    rows[-1].update(copy=2, round=9)
    rows += [dict(rows[4])] * 300
    write_samples(path, [{name: [row[name] for row in rows] for name in rows[0]}])
    keys = [row["key"] for row in rows]
    found = told(manifest, path)
    assert found[-1] == f"round 9: {keys[-301]}: copy 2 does not belong there"
    start = found.index(f"{keys[3]}, copy 0: class 'squid' is not that of label 0")
    assert found[start : start + 3] == [
        f"{keys[3]}, copy 0: class 'squid' is not that of label 0",
        f"{keys[7]}, copy 0: label 5 is outside the 1 classes",
        f"{keys[7]}, copy 0: the seed is not that of (run seed, key, copy)",
    ]
    assert f"round 0: copy 0 of {keys[4]} comes 301 times" in found
    assert "round 9: there are only 6 rounds" in found
    assert f"round 5: copy 5 of {keys[-301]} is missing" in found


def test_a_label_and_a_class_that_there_are_not(base: Manifest, tmp_path: Path) -> None:
    """-1 is no label, whatever the class."""
    path = tmp_path / SAMPLES_FILE
    manifest = made_up(base, path, CHUNK)
    rows = pq.read_table(path).to_pylist()
    rows[7].update({"label": -1, "class": "nope"})
    write_samples(path, [{name: [row[name] for row in rows] for name in rows[0]}])
    assert f"{rows[7]['key']}, copy 0: label -1 is outside the 1 classes" in told(manifest, path)


def test_what_two_claims_promise_together_is_not_counted_out(
    base: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Was: where the manifest claims as many rows, each of the missing views was named."""
    monkeypatch.setattr(round_faults, "MOST_MISSING", 1000)
    path = tmp_path / SAMPLES_FILE
    manifest = made_up(base, path, CHUNK)
    manifest = replace(manifest, rounds=10**15, samples=replace(manifest.samples, rows=2**62))
    found = told(manifest, path)
    assert f"its rounds and repeats make {CHUNK * 10**15} views of train" in found[-1]
    assert len(found) < 10
    missing = [what for what in told(replace(manifest, rounds=ROUNDS + 20), path) if "is m" in what]
    assert len(missing) == 20 * CHUNK


@pytest.mark.parametrize("rounds", [0, 1])
def test_as_many_repeats_as_can_be_written(base: Manifest, tmp_path: Path, rounds: int) -> None:
    path = tmp_path / SAMPLES_FILE
    manifest = made_up(base, path, CHUNK)
    often = replace(manifest.repeats[0], whole=2**63 - 1, extra_below=0.5)
    found = told(replace(manifest, rounds=rounds, repeats=(often,)), path)
    assert any("there are only" in what for what in found)
    assert any("views of train" in what for what in found) == (rounds == 1)


def test_a_text_that_comes_too_often_is_refused_before_it_is_told(
    base: Manifest, tmp_path: Path
) -> None:
    """A fault of each row that names its source would take a hundred gigabytes."""
    path, rows = tmp_path / SAMPLES_FILE, 50_000
    manifest = made_up(base, path, CHUNK)
    once = {**pq.read_table(path).to_pylist()[0], "source": "x" * 2_000_000}
    indices = pa.array(np.zeros(rows, np.int32))
    names = pq.read_schema(path).names
    columns = [
        pa.DictionaryArray.from_arrays(indices, pa.array([once[name]]))
        if isinstance(once[name], str)
        else pa.array([once[name]] * rows, pq.read_schema(path).field(name).type)
        for name in names
    ]
    pq.write_table(
        pa.Table.from_arrays(columns, names), path, store_schema=False, compression="zstd"
    )
    with pytest.raises(AugcliError, match="bytes of text"):
        told(manifest, path)


def test_leaks_are_found_in_any_order(tmp_path: Path) -> None:
    rows = [row_of(number, 0) for number in range(6)]
    same = rows[0].source_sha256
    rows[1] = rows[1]._replace(split="val", source_sha256=same)
    rows[2] = rows[2]._replace(split="test", source_sha256=same)
    rows[3] = rows[3]._replace(split="val")
    path = tmp_path / SAMPLES_FILE
    write_samples(path, [columns_of(rows[3:]), columns_of(rows[2:0:-1]), columns_of(rows[:1])])
    assert find_leaks(path) == (rows[1].source, rows[2].source)
