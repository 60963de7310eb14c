"""`samples.parquet`: one row per stored view, and the rows it is made from.

`offset` and `length` are of the encoded image inside the shard, in bytes, so that every stored
view is addressable. `seed` is 32 hex digits (0 for copies that were not augmented).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from augcli.manifests.errors import AugcliError
from augcli.manifests.files import atomic_file

SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("source", pa.string()),
        ("source_sha256", pa.string()),
        ("split", pa.string()),
        ("class", pa.string()),
        ("label", pa.int32()),
        ("copy", pa.int32()),
        ("round", pa.int32()),
        ("seed", pa.string()),
        ("shard", pa.string()),
        ("offset", pa.int64()),
        ("length", pa.int64()),
        ("applied", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class ViewRow:
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
    applied: str

    def member_json(self) -> bytes:
        """`KEY.json` of the view: flat, the same fields in every sample, without the address."""
        fields = {
            "key": self.key,
            "source": self.source,
            "source_sha256": self.source_sha256,
            "split": self.split,
            "class": self.class_name,
            "label": self.label,
            "copy": self.copy,
            "round": self.round,
            "seed": self.seed,
            "applied": self.applied,
        }
        return json.dumps(fields, ensure_ascii=False).encode()


FIELDS = tuple(field.name for field in fields(ViewRow))


def write_samples(path: Path, groups: Iterable[Sequence[ViewRow]]) -> int:
    """Publish groups of rows (one row group each) as `path`; the number of rows written."""
    count = 0
    with atomic_file(path) as file, pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        for rows in groups:
            columns = [[getattr(row, name) for row in rows] for name in FIELDS]
            writer.write_table(
                pa.Table.from_arrays(
                    [pa.array(c, t) for c, t in zip(columns, SCHEMA.types, strict=True)],
                    schema=SCHEMA,
                )
            )
            count += len(rows)
    return count


def read_samples(path: Path, **equal: Any) -> pa.Table:
    """The table of stored views, or of those whose columns equal the given values.

    Raises:
        AugcliError: missing, torn, or with other columns than augcli writes.
    """
    filters = [(column, "==", value) for column, value in equal.items()] or None
    try:
        table = pq.read_table(path, filters=filters)
    except (OSError, pa.ArrowException) as error:
        raise AugcliError(f"{path}: not readable as Parquet: {error}; expand again") from error
    if not table.schema.equals(SCHEMA):
        raise AugcliError(f"{path}: not augcli's columns: {', '.join(table.schema.names)}")
    if any(column.null_count for column in table.columns):
        raise AugcliError(f"{path}: has empty cells, which augcli never writes; expand again")
    return table


def find_leaks(path: Path) -> Iterator[str]:
    """Sources of validation and test images whose bytes are those of a training image."""
    table = read_samples(path, round=0)
    names = ("source", "source_sha256", "split")
    rows = list(zip(*(table.column(name).to_pylist() for name in names), strict=True))
    trained = {digest for _, digest, split in rows if split == "train"}
    return (source for source, digest, split in rows if split != "train" and digest in trained)


def rows_of(table: pa.Table) -> list[ViewRow]:
    """The rows of a table from `read_samples`, as records."""
    columns = [table.column(name).to_pylist() for name in SCHEMA.names]
    return [ViewRow(*values) for values in zip(*columns, strict=True)]
