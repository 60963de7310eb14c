"""Reading the table of samples: columns as arrays, and rows by their values."""

from __future__ import annotations

import pickle
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augcli.manifests.arrays import Narrow, Texts, as_plain_array, as_stored, narrow, numbers
from augcli.manifests.errors import AugcliError
from augcli.manifests.samples import ViewRow, columns_of, write_samples
from augcli.manifests.samples_file import SamplesFile, read_samples


def row(key: str, split: str, number: int) -> ViewRow:
    places = (f"{split}-r{number:03d}-00000.tar", 512 * number, 100, 2**32 - 1)
    return ViewRow(key, f"a/{key}.jpg", "0" * 64, split, "a", 0, number, number, "1", *places, "[]")


GROUPS = [
    [row("b", "train", 0), row("a", "train", 0), row("b", "train", 1), row("a", "train", 1)],
    [row("c", "train", 0), row("d", "val", 0)],
    [row("é", "val", 0)],
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_samples(tmp_path / "samples.parquet", map(columns_of, GROUPS))
    return tmp_path / "samples.parquet"


@pytest.mark.parametrize(
    ("equal", "keys"),
    [
        ({}, "babacdé"),
        ({"split": "train"}, "babac"),
        ({"split": "val"}, "dé"),
        ({"split": "test"}, ""),
        ({"round": 0}, "bacdé"),
        ({"round": 0, "split": "train"}, "bac"),
        ({"key": "a"}, "aa"),
        ({"round": 7}, ""),
    ],
)
def test_rows_with_these_values(path: Path, equal: dict[str, str | int], keys: str) -> None:
    with closing(SamplesFile(path, **equal)) as file:
        assert "".join(file.column("key").to_pylist()) == keys
        texts, codes = file.coded("key")
        found = codes.of(np.array(texts.to_pylist(), object))
        assert "".join("".join(some) for some in found) == keys
        assert len(codes) == len(numbers(file.column("offset"))) == len(keys)
    assert "".join(read_samples(path, ("key",), **equal).column("key").to_pylist()) == keys


@pytest.mark.parametrize("rows_at_once", [1, 4, 5, 6])
def test_some_row_groups_at_a_time(
    path: Path, monkeypatch: pytest.MonkeyPatch, rows_at_once: int
) -> None:
    """As many as have that many rows, but at least one, and the same for every column."""
    monkeypatch.setattr("augcli.manifests.samples_file._ROWS_AT_ONCE", rows_at_once)
    wanted = [5] if rows_at_once >= 6 else [4, 1]  # row groups of 4 and 2 rows, one of val
    with closing(SamplesFile(path, split="train")) as file:
        for name in ("key", "offset", "shard"):
            assert [len(part) for part in file.parts(name)] == wanted
        for name in ("key", "shard"):
            texts, codes = file.coded(name)
            found = codes.of(np.array(texts.to_pylist(), object))
            assert [text for some in found for text in some] == file.column(name).to_pylist()
        assert codes.sizes == ([[4, 1]] if rows_at_once == 6 else [[4], [1]])


def test_codes_are_narrow(tmp_path: Path) -> None:
    groups = [[row(f"{group}-{n}", "train", 0) for n in range(300)] for group in range(3)]
    write_samples(tmp_path / "samples.parquet", map(columns_of, groups))
    with closing(SamplesFile(tmp_path / "samples.parquet")) as file:
        for name, kind in (("key", "uint16"), ("shard", "uint8")):
            assert [part.dtype for _, part in file.coded(name)[1]._parts] == [kind]


def test_a_column_that_lacks_rows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = pq.ParquetFile.read_row_groups
    monkeypatch.setattr(
        "pyarrow.parquet.ParquetFile.read_row_groups",
        lambda *given, columns: read(*given, columns=columns).slice(columns == ["copy"]),
    )
    with closing(SamplesFile(path, split="train")) as file:
        file.column("round")
        with pytest.raises(AugcliError, match="a table of augcli's: it has 5 of 6 rows in the col"):
            file.column("copy")


def test_not_a_table(tmp_path: Path) -> None:
    (tmp_path / "samples.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(AugcliError, match=r"samples\.parquet: not readable as Parquet"):
        SamplesFile(tmp_path / "samples.parquet")


def test_numbers_of_a_column_in_parts() -> None:
    """Whatever its chunks, slices and kinds, as pyarrow gives them itself."""
    parts = [
        pa.array([5, -1, 2**31 - 1], pa.int32()),
        pa.array([], pa.int32()),
        pa.array([7], pa.int32()),
    ]
    column = pa.chunked_array(parts)
    assert numbers(column).tolist() == column.to_pylist()
    assert numbers(column.slice(1, 3)).tolist() == column.to_pylist()[1:]
    assert numbers(pa.chunked_array([pa.array([2**40])])).tolist() == [2**40]
    assert numbers(pa.chunked_array([], pa.int64())).tolist() == []
    names = pa.chunked_array([["b", "a", "b"], ["c", "a"]]).dictionary_encode()
    names = names.unify_dictionaries()
    found = [names.chunk(0).dictionary[int(index)].as_py() for index in numbers(names)]
    assert found == ["b", "a", "b", "c", "a"]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([], "uint8"),
        ([0, 255], "uint8"),
        ([0, 256], "uint16"),
        ([3, 2**32 - 1], "uint32"),
        ([2**32], "int64"),
        ([-1, 5], "int8"),
        ([-1, 255], "int16"),
        ([-(2**40), 2**62], "int64"),
    ],
)
def test_integers_as_narrow_as_they_fit(values: list[int], dtype: str) -> None:
    found = narrow(np.array(values, np.int64))
    assert found.dtype == dtype
    assert found.tolist() == values
    assert as_plain_array(found).to_pylist() == values
    assert as_stored(as_plain_array(found)).dtype == dtype


@pytest.mark.parametrize(
    ("parts", "dtypes"),
    [
        (([0, 255], [256], [3]), ("uint8", "uint16", "uint16")),
        (([7], [], [-1], [200]), ("uint8", "uint8", "int8", "int16")),
        (([2**32 - 1], [-1]), ("uint32", "int64")),
    ],
)
def test_integers_put_part_by_part(parts: tuple[list[int], ...], dtypes: tuple[str, ...]) -> None:
    """As narrow as those so far, and what was put before stays."""
    found, end = Narrow(sum(map(len, parts))), 0
    for part, dtype in zip(parts, dtypes, strict=True):
        found.put(slice(end, end + len(part)), np.array(part, np.int64))
        end += len(part)
        assert found.values.dtype == dtype
    assert found.values.tolist() == [value for part in parts for value in part]
    found.put(np.array([1, 0]), np.array([5, 6]))
    assert found.values.tolist()[:2] == [6, 5]


def test_texts_are_a_sequence() -> None:
    written = [f"key-{number}-é" for number in range(10_000)]
    texts = Texts(pa.array(written))
    assert len(texts) == len(written)
    assert list(texts) == written
    assert [texts[0], texts[-1], texts[5_000]] == [written[0], written[-1], written[5_000]]
    assert list(texts[3:7]) == written[3:7]
    assert texts == tuple(written)
    assert texts == Texts(pa.array(written))
    assert texts != Texts(pa.array(written[1:]))
    assert texts != tuple(written[1:])
    assert texts != "other"
    assert list(pickle.loads(pickle.dumps(texts))) == written
    with pytest.raises(IndexError):
        texts[10_000]
