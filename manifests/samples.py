"""`samples.parquet`: one row per stored view, and the rows it is made from.

`offset` and `length` are of the encoded image inside the shard, in bytes, so that every stored
view is addressable. `crc32` is of those bytes, 0 to 2^32 - 1 (CRC-32/ISO-HDLC, as in zlib and PNG):
who reads one view can tell that it is the one that was written, without hashing the whole shard.
`seed` is 32 hex digits (0 for copies that were not augmented).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from augcli.manifests.errors import AugcliError
from augcli.manifests.files import atomic_file

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

SCHEMA_NAMES = (
    "key",
    "source",
    "source_sha256",
    "split",
    "class",
    "label",
    "copy",
    "round",
    "seed",
    "shard",
    "offset",
    "length",
    "crc32",
    "applied",
)
INTEGER_BITS = {"label": 32, "copy": 32, "round": 32, "offset": 64, "length": 64, "crc32": 64}


@lru_cache(maxsize=1)
def schema() -> pa.Schema:
    """Of the table in memory."""
    import pyarrow as pa

    number = {32: pa.int32(), 64: pa.int64()}
    types = [
        number[INTEGER_BITS[name]] if name in INTEGER_BITS else pa.string() for name in SCHEMA_NAMES
    ]
    return pa.schema(list(zip(SCHEMA_NAMES, types, strict=True)))


@lru_cache(maxsize=1)
def schema_as_read() -> pa.Schema:
    """The same with each text of a row group stored once."""
    import pyarrow as pa

    once = pa.dictionary(pa.int32(), pa.string())
    return pa.schema(
        [(field.name, once if field.type == pa.string() else field.type) for field in schema()]
    )


class ViewRow(NamedTuple):
    """One stored view. `class_name` is the column `class`; `applied` is a JSON list."""

    key: str
    source: str
    source_sha256: str
    split: str
    class_name: str
    label: int
    copy: int
    round: int
    seed: str
    shard: str
    offset: int
    length: int
    crc32: int
    applied: str

    def member_json(self) -> bytes:
        """`KEY.json` of the view: flat, the same fields in every sample, without the address."""
        start = member_start(
            self.key, self.source, self.source_sha256, self.split, self.class_name, self.label
        )
        return member_json(start, self.copy, self.round, self.seed, self.applied)


def member_start(
    key: str, source: str, source_sha256: str, split: str, class_name: str, label: int
) -> str:
    """The part of `KEY.json` that all views of a sample share."""
    fields = {
        "key": key,
        "source": source,
        "source_sha256": source_sha256,
        "split": split,
        "class": class_name,
        "label": label,
    }
    return json.dumps(fields, ensure_ascii=False)[:-1]


def member_json(start: str, copy: int, round_number: int, seed: str, applied: str) -> bytes:
    """`KEY.json` of one view, from what `member_start` gave for its sample."""
    own = f'"copy": {copy}, "round": {round_number}, "seed": "{seed}"'
    return f'{start}, {own}, "applied": {json.dumps(applied)}}}'.encode()


Columns = dict[str, list[Any]]
"""Rows by column, under the names of `SCHEMA`."""


def columns_of(rows: Sequence[ViewRow]) -> Columns:
    """Rows turned into columns."""
    values = zip(*rows, strict=True) if rows else ((),) * len(SCHEMA_NAMES)
    return {name: list(column) for name, column in zip(SCHEMA_NAMES, values, strict=True)}


def joined(parts: Sequence[Columns]) -> Columns:
    """The rows of several parts, in order."""
    return {name: [value for part in parts for value in part[name]] for name in SCHEMA_NAMES}


def write_samples(path: Path, groups: Iterable[Columns]) -> int:
    """Publish groups of rows (one row group each) as `path`; the number of rows written."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = 0
    with atomic_file(path) as file, pq.ParquetWriter(file, schema(), compression="zstd") as writer:
        for columns in groups:
            arrays = [as_array(columns[name], INTEGER_BITS.get(name)) for name in SCHEMA_NAMES]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema()))
            count += len(columns["key"])
    return count


def as_array(values: Sequence[Any] | npt.NDArray[Any], bits: int | None) -> pa.Array:
    """Integers of `bits`, or texts, as Arrow has them.

    `pyarrow.array` would do the same, but imports pandas where there is one: a third of a second.
    """
    import numpy as np
    import pyarrow as pa

    if bits is not None:
        numbers = np.asarray(values, f"int{bits}")
        kind = pa.int32() if bits == 32 else pa.int64()
        return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(numbers)])
    texts = [value.encode() for value in values]
    ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
    if len(ends) and ends[-1] > np.iinfo(np.int32).max:
        raise AugcliError("a row group holds over 2 GiB of text: ask for a smaller --shard-size")
    offsets = np.concatenate([np.zeros(1, np.int32), ends.astype(np.int32)])
    buffers = (pa.py_buffer(offsets), pa.py_buffer(b"".join(texts)))
    return pa.StringArray.from_buffers(len(texts), *buffers)
