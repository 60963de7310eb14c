"""`samples.parquet` some row groups at a time: of sixty million rows few are there at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from augcli.manifests.arrays import Integers, as_plain_array, as_stored, narrow, undictionaried
from augcli.manifests.samples import SCHEMA_NAMES, ViewRow
from augcli.manifests.samples_file import TEXTS, SamplesFile


def pieces(table: SamplesFile, names: Sequence[str] = SCHEMA_NAMES) -> Iterator[pa.RecordBatch]:
    """Columns of the rows of one row group at a time, texts as dictionaries.

    Raises:
        AugcliError: as `SamplesFile.parts`.
    """
    for parts in zip(*(table.parts(name) for name in names), strict=True):
        yield from pa.Table.from_arrays(parts, list(names)).to_batches()


def texts_once(table: SamplesFile, name: str) -> tuple[Integers, pa.LargeStringArray]:
    """A column of texts as numbers (rows,), as narrow as they fit, of texts that are there once.

    Raises:
        AugcliError: as `SamplesFile.parts`.
    """
    texts, codes, count = [], [], 0
    for part in table.parts(name):
        for chunk in part.chunks:
            texts.append(chunk.dictionary.cast(pa.large_string()))
            codes.append((count, narrow(as_stored(chunk))))
            count += len(chunk.dictionary)
    once = pa.chunked_array(texts, pa.large_string()).dictionary_encode()
    numbers = _joined(once.chunks)
    rows = [numbers[:0], *(numbers[first:][some] for first, some in codes)]
    known = once.chunk(0).dictionary if once.num_chunks else pa.array([], pa.large_string())
    return np.concatenate(rows), known


def integers(table: SamplesFile, name: str) -> Integers:
    """A column of integers, (rows,), as narrow as they fit.

    Raises:
        AugcliError: as `SamplesFile.parts`.
    """
    return _joined(chunk for part in table.parts(name) for chunk in part.chunks)


def taken(piece: pa.RecordBatch, places: Integers) -> pa.RecordBatch:
    """The rows at these places of a piece."""
    chosen = [column.take(as_plain_array(places)) for column in piece.columns]
    return pa.RecordBatch.from_arrays(chosen, piece.schema.names)


def records(piece: pa.RecordBatch) -> list[ViewRow]:
    """The rows of a small slice of a piece."""
    columns = [undictionaried(piece.column(name)).to_pylist() for name in SCHEMA_NAMES]
    return [ViewRow(*row) for row in zip(*columns, strict=True)]


def values(piece: pa.RecordBatch, name: str) -> Iterator[Any]:
    """A column of a piece; each text of it is in memory once, however often it comes."""
    column = piece.column(name)
    if name not in TEXTS:
        return iter(column.to_pylist())
    return map(column.dictionary.to_pylist().__getitem__, column.indices.to_pylist())


def _joined(chunks: Iterable[pa.Array]) -> Integers:
    return np.concatenate([np.zeros(0, np.uint8), *(narrow(as_stored(chunk)) for chunk in chunks)])
