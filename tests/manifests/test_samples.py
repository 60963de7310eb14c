"""`samples.parquet`: rows in, the same rows out, and nothing that is not one."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augcli.manifests.errors import AugcliError
from augcli.manifests.samples import SCHEMA_NAMES, ViewRow, columns_of, joined, write_samples
from augcli.manifests.samples_file import read_samples, rows_of

ROW = ViewRow(
    key="cat-1",
    source="cat/é 猫.jpg",
    source_sha256="ab" * 32,
    split="train",
    class_name="cat",
    label=0,
    copy=1,
    round=1,
    seed=f"{1 << 127:032x}",
    shard="train-r001-00000.tar",
    offset=1 << 33,
    length=700,
    crc32=(1 << 32) - 1,
    applied='[["Affine", {"rotate": 3.5}]]',
)
ROWS = [ROW._replace(key=f"cat-{n}", copy=n % 3, round=n % 3, label=n % 2) for n in range(7)]
COLUMNS = columns_of(ROWS)


def test_round_trip_of_groups(tmp_path: Path) -> None:
    path = tmp_path / "samples.parquet"
    assert write_samples(path, map(columns_of, (ROWS[:3], [], ROWS[3:]))) == 7
    assert rows_of(read_samples(path)) == ROWS


def test_parts_are_joined_in_order() -> None:
    assert joined([columns_of(ROWS[:3]), columns_of([]), columns_of(ROWS[3:])]) == COLUMNS
    assert joined([]) == columns_of([])


def test_filters_keep_order(tmp_path: Path) -> None:
    path = tmp_path / "samples.parquet"
    write_samples(path, [COLUMNS])
    expected = [row for row in ROWS if row.round == 1 and row.label == 0]
    assert rows_of(read_samples(path, round=1, label=0)) == expected
    assert rows_of(read_samples(path, split="val")) == []


@pytest.mark.parametrize("folder", ["round=9", "seed=1/split=val"])
def test_folder_names_are_no_columns(tmp_path: Path, folder: str) -> None:
    """Hive's naming scheme means nothing here."""
    path = tmp_path / folder / "samples.parquet"
    path.parent.mkdir(parents=True)
    write_samples(path, [COLUMNS])
    assert rows_of(read_samples(path)) == ROWS
    assert len(read_samples(path, round=1)) == 2


def test_same_rows_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_samples(tmp_path / name, iter([COLUMNS]))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_member_json_is_flat_and_without_address() -> None:
    fields = json.loads(ROW.member_json())
    assert fields["source"] == ROW.source
    assert all(isinstance(value, str | int) for value in fields.values())
    assert not {"shard", "offset", "length", "crc32"} & set(fields)
    moved = ROW._replace(shard="other.tar", offset=0, length=1, crc32=0)
    assert moved.member_json() == ROW.member_json()


@pytest.mark.parametrize("field", ["key", "label", "copy", "seed", "class_name", "applied"])
def test_member_json_tells_rows_apart(field: str) -> None:
    other = ROW._replace(**{field: 9 if isinstance(getattr(ROW, field), int) else "x"})
    assert other.member_json() != ROW.member_json()


@pytest.mark.parametrize("damage", ["missing", "torn", "text", "folder"])
def test_unreadable(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "samples.parquet"
    write_samples(path, [COLUMNS])
    if damage == "torn":
        path.write_bytes(path.read_bytes()[:-20])
    elif damage == "text":
        path.write_text("key,label\n")
    else:
        path.unlink()
        if damage == "folder":
            path.mkdir()
    with pytest.raises(AugcliError, match=r"samples\.parquet"):
        read_samples(path)


@pytest.mark.parametrize("damage", ["fewer", "more", "order", "type", "null"])
def test_other_columns(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "samples.parquet"
    write_samples(path, [COLUMNS])
    table = pq.read_table(path)
    label = SCHEMA_NAMES.index("label")
    if damage == "fewer":
        table = table.drop_columns(["seed"])
    elif damage == "more":
        table = table.append_column("extra", pa.array([1] * len(ROWS)))
    elif damage == "order":
        table = table.select(list(SCHEMA_NAMES[::-1]))
    elif damage == "type":
        table = table.set_column(label, "label", table["label"].cast(pa.int64()))
    else:
        table = table.set_column(label, "label", pa.array([None] * len(ROWS), pa.int32()))
    pq.write_table(table, path)
    with pytest.raises(AugcliError, match=r"samples\.parquet"):
        read_samples(path)
