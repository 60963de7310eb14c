"""Bounds on what a Parquet file may become in memory: it can hold a terabyte in some kilobytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

MAX_EXPANSION = 200
"""Bytes in memory for each byte of the file. Tables of augcli have 10 to 80."""
MIN_EXPANSION_BYTES = 1 << 26
"""On top of that: small files have little to say of proportions."""

_OUTSIDE = r"(^|/)\.\.(/|$)|^/|\x00"


def check_claims(metadata: Any, most_bytes: int) -> None:
    """Refuse a file that says of itself that it is too large, before it is read.

    Raises:
        ValueError: it claims more than `most_bytes`.
    """
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    claimed = max(metadata.num_rows, sum(group.total_byte_size for group in groups))
    if claimed > most_bytes:
        raise ValueError(f"so small a file claims {claimed} bytes")


def check_texts(name: str, column: pa.ChunkedArray) -> int:
    """Refuse names outside of the dataset; how many bytes a column's texts take as plain texts.

    Raises:
        ValueError: one can't be the name of a file below a folder.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    total = 0
    for chunk in column.chunks:
        lengths = pc.cast(pc.binary_length(chunk.dictionary), pa.int64())
        total += pc.sum(lengths.take(chunk.indices)).as_py() or 0
        if name in ("source", "shard"):
            _check_inside(name, chunk.dictionary)
    return total


def _check_inside(name: str, places: pa.StringArray) -> None:
    import pyarrow.compute as pc

    outside = places.filter(pc.match_substring_regex(places, _OUTSIDE))
    if len(outside):
        raise ValueError(f"the {name} {outside[0].as_py()!r:.200} lies outside of its folder")
