"""Reading `samples.parquet`, column by column: what is read is checked before anyone sees it.

A dataset of ten million images has more rows than should be in memory as Python objects, or as
texts. So texts stay dictionaries, each value once, and integers may be had as narrow as they fit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

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
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

TEXTS = tuple(name for name in SCHEMA_NAMES if name not in INTEGER_BITS)
_KINDS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "int64")
_ITERATED = 4096


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
            self._groups = _groups_with(self._file.metadata, equal)
            self._mask: pa.ChunkedArray | None = None
            self._mask = self._rows_with(equal)
        except BaseException:
            self.close()
            raise

    def column(self, name: str) -> pa.ChunkedArray:
        """A column of these rows; texts as dictionaries, a chunk for each row group.

        Raises:
            AugcliError: torn, or with contents that augcli never writes: far more text than the
                file has bytes, names outside the dataset, empty cells.
        """
        with self._told():
            table = self._file.read_row_groups(self._groups, columns=[name])
            if name in TEXTS:
                self._text_bytes[name] = check_texts(name, table.column(0))
                if sum(self._text_bytes.values()) > self._most_bytes:
                    total = sum(self._text_bytes.values())
                    raise ValueError(f"so small a file has {total} bytes of text")
            column: pa.ChunkedArray = table.column(0)
            column.validate(full=True)
        if column.null_count:
            raise AugcliError(
                f"{self._path}: has empty cells, which augcli never writes; expand again"
            )
        return column if self._mask is None else column.filter(self._mask)

    def texts(self, name: str) -> pa.DictionaryArray:
        """A column of texts with one dictionary for all rows.

        Raises:
            AugcliError: as `column`; or there are 2 GiB of different texts.
        """
        import pyarrow as pa

        column = self.column(name)
        if not column.num_chunks:
            return pa.DictionaryArray.from_arrays(as_array([], 32), as_array([], None))
        with self._told():
            return column.unify_dictionaries().combine_chunks()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _rows_with(self, equal: dict[str, Any]) -> pa.ChunkedArray | None:
        """Which of the row groups' rows have these values; None for all."""
        import pyarrow as pa
        import pyarrow.compute as pc

        found = None
        for name, value in equal.items():
            wanted = as_array([value], INTEGER_BITS.get(name))[0]
            chunks = self.column(name).chunks
            same = pa.chunked_array([_equal(chunk, wanted) for chunk in chunks], pa.bool_())
            if not pc.all(same).as_py():
                found = same if found is None else pc.and_(found, same)
        return found

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


class Texts(Sequence[str]):
    """Texts as Arrow has them: of their own length, where Python's take 50 bytes more each."""

    def __init__(self, texts: pa.StringArray) -> None:
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> Texts: ...

    def __getitem__(self, place: int | slice) -> str | Texts:
        if isinstance(place, slice):
            return Texts(self._texts[place])
        text: str = self._texts[place].as_py()
        return text

    def __iter__(self) -> Iterator[str]:
        for first in range(0, len(self), _ITERATED):
            yield from self._texts.slice(first, _ITERATED).to_pylist()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Texts):
            return bool(self._texts.equals(other._texts))
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__ = None  # type: ignore[assignment]


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


def numbers(column: pa.ChunkedArray, dtype: npt.DTypeLike = "int64") -> npt.NDArray[Any]:
    """A column of integers, or its dictionary's indices, as (rows,) of `dtype`.

    `column.to_numpy()` would do the same, but imports pandas where there is one.
    """
    import numpy as np

    parts = [np.zeros(0, dtype), *(as_stored(chunk).astype(dtype) for chunk in column.chunks)]
    return np.concatenate(parts)


def as_stored(chunk: pa.Array) -> npt.NDArray[Any]:
    """An array of integers, or a dictionary's indices, in their own type: (rows,), not copied."""
    import numpy as np

    stored = getattr(chunk, "indices", chunk)
    values = np.frombuffer(stored.buffers()[1], str(stored.type))
    return values[stored.offset : stored.offset + len(stored)]


def as_narrow_array(values: npt.NDArray[np.int64]) -> pa.Array:
    """Integers in the narrowest type that holds them all."""
    import numpy as np
    import pyarrow as pa

    least, greatest = (values.min(), values.max()) if len(values) else (0, 0)
    kind = next(
        kind for kind in _KINDS if np.iinfo(kind).min <= least and greatest <= np.iinfo(kind).max
    )
    buffer = pa.py_buffer(values.astype(kind))
    return pa.Array.from_buffers(getattr(pa, kind)(), len(values), [None, buffer])


def find_leaks(path: Path) -> Iterator[str]:
    """Sources of validation and test images whose bytes are those of a training image."""
    names = ("source", "source_sha256", "split")
    table = read_samples(path, names, round=0)
    rows = list(zip(*(table.column(name).to_pylist() for name in names), strict=True))
    trained = {digest for _, digest, split in rows if split == "train"}
    return (source for source, digest, split in rows if split != "train" and digest in trained)


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
