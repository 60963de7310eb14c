"""A table of views that is a bomb, or that names files elsewhere, is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from augcli.manifests.errors import AugcliError
from augcli.manifests.samples import INTEGER_BITS, SCHEMA_NAMES
from augcli.manifests.samples_file import read_samples
from augcli.manifests.table_bounds import check_claims

ROWS = 50_000


def column(name: str, **texts: str) -> Any:
    """A column of the same value in every row, stored once."""
    if name in INTEGER_BITS:
        return pa.array(np.zeros(ROWS), f"int{INTEGER_BITS[name]}")
    indices = pa.array(np.zeros(ROWS, np.int32))
    return pa.DictionaryArray.from_arrays(indices, pa.array([texts.get(name, "a")]))


def written(path: Path, compression: str = "zstd", **texts: str) -> Path:
    columns = [column(name, **texts) for name in SCHEMA_NAMES]
    pq.write_table(
        pa.Table.from_arrays(columns, SCHEMA_NAMES),
        path,
        store_schema=False,
        compression=compression,
    )
    return path


def test_what_says_little_often_is_read(tmp_path: Path) -> None:
    """So that what is refused below is refused for what it says."""
    assert read_samples(written(tmp_path / "samples.parquet")).num_rows == ROWS


def test_a_hundred_gigabytes_in_some_kilobytes(tmp_path: Path) -> None:
    path = written(tmp_path / "samples.parquet", applied="x" * 2_000_000)
    assert path.stat().st_size < 200_000
    with pytest.raises(AugcliError, match=r"samples\.parquet: .* has 100000350000 bytes of text"):
        read_samples(path)
    assert pa.total_allocated_bytes() < 1 << 28


@pytest.mark.parametrize(("rows", "sizes"), [(10**12, [5]), (3, [10**10, 10**12])])
def test_what_claims_to_be_large_is_not_read(rows: int, sizes: list[int]) -> None:
    groups = [SimpleNamespace(total_byte_size=size) for size in sizes]
    claims = SimpleNamespace(num_rows=rows, num_row_groups=len(sizes), row_group=groups.__getitem__)
    with pytest.raises(ValueError, match="so small a file claims 10"):
        check_claims(claims, 10**9)
    check_claims(claims, 10**13)


@pytest.mark.parametrize("name", ["source", "shard"])
@pytest.mark.parametrize(
    "place", ["../x", "a/../../x", "a/..", "..", "/etc/passwd", "a\0b", "../" * 100_000]
)
def test_names_outside_of_the_dataset(tmp_path: Path, name: str, place: str) -> None:
    path = written(tmp_path / "samples.parquet", **{name: place})
    with pytest.raises(AugcliError, match=f"the {name} .* lies outside of its folder") as refused:
        read_samples(path)
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("place", ["a..b/c...jpg", "..a/b", "a../b", "a/~/b", "-rf", " "])
def test_names_that_only_look_like_it(tmp_path: Path, place: str) -> None:
    path = written(tmp_path / "samples.parquet", source=place)
    assert read_samples(path).column("source")[0].as_py() == place


def test_what_is_no_utf8(tmp_path: Path) -> None:
    """Was: a UnicodeDecodeError, much later."""
    path = written(tmp_path / "samples.parquet", "none", key="broken-here")
    path.write_bytes(path.read_bytes().replace(b"broken-here", b"broken\xff\xfe\xfdre"))
    with pytest.raises(AugcliError, match=r"samples\.parquet: not readable.*UTF"):
        read_samples(path)
