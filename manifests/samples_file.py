"""Reading `samples.parquet`, column by column: what is read is checked before anyone sees it.

A dataset of ten million images has more rows than should be in memory as Python objects, or as
texts, or twice. So texts stay dictionaries, each value once, integers may be had as narrow as they
fit, and a column can be read some row groups at a time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from augcli.manifests.arrays import Codes
from augcli.manifests.errors import AugcliError
from augcli.manifests.samples import (
    INTEGER_BITS,
    SCHEMA_NAMES,
    ViewRow,
    as_array,
    schema,
    schema_as_read,
)
from augcli.manifests.table_bounds import (
    MAX_EXPANSION,
    MIN_EXPANSION_BYTES,
    check_claims,
    check_texts,
)

if TYPE_CHECKING:
    import pyarrow as pa

TEXTS = tuple(name for name in SCHEMA_NAMES if name not in INTEGER_BITS)
_ROWS_AT_ONCE = 1 << 17


class _Piece(NamedTuple):
    """Row groups that are read together, their rows, and which of those count: None for all."""

    groups: list[int]
    rows: int
    mask: pa.ChunkedArray | None


class SamplesFile:
    """The rows of a table of stored views, or those whose columns equal given values.

    The file is open until `close`.
    """

    def __init__(self, path: Path, **equal: Any) -> None:
        """
        Raises:
            AugcliError: missing, torn, or with other columns than augcli writes.
        """
        import pyarrow.parquet as pq

        # Not `pq.read_table`: it would import pandas where there is one, a third of a second.
        self._path = path
        with self._told():
            self._most_bytes = MAX_EXPANSION * path.stat().st_size + MIN_EXPANSION_BYTES
            self._file = pq.ParquetFile(path, read_dictionary=TEXTS)
        try:
            with self._told():
                check_claims(self._file.metadata, self._most_bytes)
                if not self._file.schema_arrow.equals(schema_as_read()):
                    raise ValueError(f"its columns are {', '.join(self._file.schema_arrow.names)}")
            self._text_bytes: dict[str, int] = {}
            groups = _groups_with(self._file.metadata, equal)
            self._pieces = list(_pieces(self._file.metadata, groups))
            for name, value in equal.items():
                self._pieces = list(self._narrowed(name, value))
        except BaseException:
            self.close()
            raise

    def column(self, name: str) -> pa.ChunkedArray:
        """A column of these rows; texts as dictionaries, one for each row group.

        Raises:
            AugcliError: torn, or with contents that augcli never writes: far more text than the
                file has bytes, names outside the dataset, empty cells.
        """
        import pyarrow as pa

        chunks = [chunk for part in self.parts(name) for chunk in part.chunks]
        return pa.chunked_array(chunks, schema_as_read().field(name).type)

    def parts(self, name: str) -> Iterator[pa.ChunkedArray]:
        """The same, some row groups at a time: the same ones for every column.

        Raises:
            AugcliError: as `column`. Of too much text, it is told after the last part.
        """
        for part, piece in zip(self._read(name), self._pieces, strict=True):
            yield part if piece.mask is None else part.filter(piece.mask)

    @property
    def rows(self) -> int:
        """How many rows the whole file has."""
        return sum(self.part_rows)

    @property
    def part_rows(self) -> list[int]:
        """How many rows the parts of the file have."""
        return [piece.rows for piece in self._pieces]

    def part(self, name: str, number: int) -> pa.ChunkedArray:
        """A column of one part of a whole file, to go to and fro in it.

        Raises:
            AugcliError: as `column`.
        """
        part, text_bytes = self._read_piece(name, self._pieces[number])
        self._check_text(text_bytes)
        return part

    def coded(self, name: str) -> tuple[pa.StringArray, Codes]:
        """The dictionaries of a column of texts, one after the other, and which text each row has.

        A text is there as often as there are row groups that have it.

        Raises:
            AugcliError: as `column`; or there are 2 GiB of texts.
        """
        import pyarrow as pa

        texts, codes = [as_array([], None)], Codes()
        for part in self.parts(name):
            codes.append(part.chunks)
            texts += [chunk.dictionary for chunk in part.chunks]
        with self._told():
            return pa.concat_arrays(texts), codes

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _read(self, name: str) -> Iterator[pa.ChunkedArray]:
        """A column of all rows of the pieces, checked."""
        text_bytes = 0
        for piece in self._pieces:
            part, its_text_bytes = self._read_piece(name, piece)
            text_bytes += its_text_bytes
            yield part
        self._text_bytes[name] = text_bytes
        self._check_text(sum(self._text_bytes.values()))

    def _read_piece(self, name: str, piece: _Piece) -> tuple[pa.ChunkedArray, int]:
        """A column of a piece's rows, checked, and how many bytes of text it has."""
        with self._told():
            part = self._file.read_row_groups(piece.groups, columns=[name]).column(0)
            if len(part) != piece.rows:
                raise ValueError(f"it has {len(part)} of {piece.rows} rows in the column {name}")
            text_bytes = check_texts(name, part) if name in TEXTS else 0
            part.validate(full=True)
        if part.null_count:
            raise AugcliError(
                f"{self._path}: has empty cells, which augcli never writes; expand again"
            )
        return part, text_bytes

    def _check_text(self, text_bytes: int) -> None:
        with self._told():
            if text_bytes > self._most_bytes:
                raise ValueError(f"so small a file has {text_bytes} bytes of text")

    def _narrowed(self, name: str, value: Any) -> Iterator[_Piece]:
        """The pieces with only those of their rows that have a value."""
        import pyarrow as pa
        import pyarrow.compute as pc

        wanted = as_array([value], INTEGER_BITS.get(name))
        for part, piece in zip(self._read(name), self._pieces, strict=True):
            if name in TEXTS and all(chunk.dictionary.equals(wanted) for chunk in part.chunks):
                yield piece
                continue
            same = pa.chunked_array([_equal(chunk, wanted[0]) for chunk in part.chunks], pa.bool_())
            mask = same if piece.mask is None else pc.and_(piece.mask, same)
            yield piece if pc.all(same).as_py() else piece._replace(mask=mask)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        import pyarrow as pa

        try:
            yield
        except (OSError, pa.ArrowException) as error:
            raise AugcliError(
                f"{self._path}: not readable as Parquet: {error}; expand again"
            ) from error
        except (KeyError, TypeError, ValueError) as error:
            raise AugcliError(
                f"{self._path}: not a table of augcli's: {error}; expand again"
            ) from error


def read_samples(path: Path, columns: Sequence[str] = SCHEMA_NAMES, **equal: Any) -> pa.Table:
    """The table of stored views, or of those whose columns equal the given values, as plain texts.

    Only `columns` are read, in the table's own order, and those that are compared.

    Raises:
        AugcliError: as `SamplesFile` and its columns.
    """
    import pyarrow as pa

    fields = [field for field in schema() if field.name in columns]
    with contextlib.closing(SamplesFile(path, **equal)) as file:
        read = [file.column(field.name).cast(field.type) for field in fields]
    return pa.Table.from_arrays(read, schema=pa.schema(fields))


def rows_of(table: pa.Table) -> list[ViewRow]:
    """The rows of a table from `read_samples`, as records."""
    columns = [table.column(name).to_pylist() for name in SCHEMA_NAMES]
    return [ViewRow(*values) for values in zip(*columns, strict=True)]


def _equal(chunk: Any, value: Any) -> pa.BooleanArray:
    import pyarrow.compute as pc

    if hasattr(chunk, "dictionary"):
        return pc.equal(chunk.dictionary, value).take(chunk.indices)
    return pc.equal(chunk, value)


def _groups_with(metadata: Any, equal: dict[str, Any]) -> list[int]:
    """The row groups that may have rows whose columns equal the given values."""
    numbers = {metadata.schema.column(i).name: i for i in range(metadata.num_columns)}

    def may_have(group: Any) -> bool:
        for name, value in equal.items():
            found = group.column(numbers[name]).statistics
            if found is not None and found.has_min_max and not found.min <= value <= found.max:
                return False
        return True

    return [i for i in range(metadata.num_row_groups) if may_have(metadata.row_group(i))]


def _pieces(metadata: Any, groups: list[int]) -> Iterator[_Piece]:
    """Of at most `_ROWS_AT_ONCE` rows, or of one row group."""
    some: list[int] = []
    count = 0
    for group in groups:
        rows = metadata.row_group(group).num_rows
        if some and count + rows > _ROWS_AT_ONCE:
            yield _Piece(some, count, None)
            some, count = [], 0
        some.append(group)
        count += rows
    if some:
        yield _Piece(some, count, None)
