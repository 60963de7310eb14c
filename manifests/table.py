"""A CSV or TSV that lists images: a path column, a label column and perhaps a split column."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from augcli.manifests.errors import UsageError
from augcli.manifests.splits import SPLIT_NAMES

TABLE_EXTENSIONS = {".csv": ",", ".tsv": "\t"}

COLUMNS = {
    "path": (
        "path",
        "filepath",
        "file_path",
        "image_path",
        "filename",
        "file_name",
        "file",
        "image",
    ),
    "label": ("label", "class", "class_name", "category", "target"),
    "split": ("split", "set", "subset", "fold"),
}


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row: `split` is '' when the table has no split column or an empty cell."""

    line: int
    path: str
    label: str
    split: str


def read_table(table: Path) -> Iterator[TableRow]:
    """The rows of a table.

    Raises:
        UsageError: no path or label column, an empty cell, an unknown split, or not a text table;
            the message names the file and the line.
    """
    try:
        with open(table, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=TABLE_EXTENSIONS[table.suffix.lower()])
            columns = _find_columns(table, reader.fieldnames or [])
            for row in reader:
                yield _table_row(table, reader.line_num, row, columns)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"--data {table}: can't be read as a table: {error}") from error


def source_in(table: Path, path: str) -> str | None:
    """A path of the table as the one source that it means, or None outside the table's folder.

    Sources are relative to that folder, with '/' and without '..': two spellings of a path would
    be two samples.
    """
    for root in (os.path.abspath(table.parent), os.path.realpath(table.parent)):  # noqa: PTH100
        full = os.path.normpath(os.path.join(root, path))  # noqa: PTH118, Path keeps '..'
        inside = Path(full)
        if inside != Path(root) and inside.is_relative_to(root):
            return inside.relative_to(root).as_posix()
    return None


def _find_columns(table: Path, header: object) -> dict[str, str]:
    names = {str(name).strip().lower(): str(name) for name in header}  # type: ignore[attr-defined]
    columns = {}
    for role, accepted in COLUMNS.items():
        present = [names[name] for name in accepted if name in names]
        if present:
            columns[role] = present[0]
        elif role != "split":
            raise UsageError(
                f"--data {table}: no {role} column; expected a header line with one of: "
                f"{', '.join(accepted)}; found: {', '.join(names) or 'nothing'}"
            )
    return columns


def _table_row(
    table: Path, line: int, row: dict[str, str | None], columns: dict[str, str]
) -> TableRow:
    cells = {role: (row.get(column) or "").strip() for role, column in columns.items()}
    for role in ("path", "label"):
        if not cells[role]:
            raise UsageError(f"--data {table}, line {line}: the {role} is empty")
    split = cells.get("split", "")
    if split and split.lower() not in SPLIT_NAMES:
        listed = ", ".join(sorted(SPLIT_NAMES))
        raise UsageError(f"--data {table}, line {line}: unknown split '{split}': one of {listed}")
    return TableRow(line, cells["path"], cells["label"], SPLIT_NAMES.get(split.lower(), ""))
