"""Reading the table of samples: columns as arrays, and rows by their values."""

from __future__ import annotations

import pickle
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from augcli.manifests.errors import AugcliError
from augcli.manifests.samples import ViewRow, columns_of, write_samples
from augcli.manifests.samples_file import (
    SamplesFile,
    Texts,
    as_narrow_array,
    as_stored,
    numbers,
    read_samples,
)


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
        once = file.texts("key")
        assert "".join(once.to_pylist()) == keys
        assert len(numbers(file.column("offset"))) == len(keys)
    assert "".join(read_samples(path, ("key",), **equal).column("key").to_pylist()) == keys


def test_a_text_is_in_memory_once(path: Path) -> None:
    with closing(SamplesFile(path, split="train")) as file:
        assert sorted(file.texts("shard").dictionary.to_pylist()) == [
            "train-r000-00000.tar",
            "train-r001-00000.tar",
            "val-r000-00000.tar",  # of a row group that is both
        ]


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
    found = as_stored(as_narrow_array(np.array(values, np.int64)))
    assert found.dtype == dtype
    assert found.tolist() == values


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
