"""Which images of a shard are not those that were written: each view has a CRC-32 in the table."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

from augcli.manifests.manifest import SAMPLES_FILE
from augcli.manifests.samples import ViewRow
from augcli.shards.fault import Fault

LISTED = 5


def is_as_written(row: ViewRow, content: bytes | memoryview) -> bool:
    """Whether `content`, an encoded image, is the row's; of random others, 1 in 2^32 passes."""
    return zlib.crc32(content) == row.crc32


def image_faults(
    where: str, others: Sequence[str], views: int, *, is_recorded: bool
) -> Iterator[Fault]:
    """The images of a shard that are not as written, as one fault: a count and the first few.

    `others` says where they are, of `views` views. `is_recorded`: the shard's bytes are those that
    the manifest records, so that it is the table that is wrong.
    """
    if others:
        what = f"images with another crc32 than in {SAMPLES_FILE}"
        shown = ", ".join(others[:LISTED])
        more = f", and {len(others) - LISTED} more" if len(others) > LISTED else ""
        start = what if is_recorded else "changed images"
        yield Fault(where, f"{start} ({len(others)} of {views}): {shown}{more}")
