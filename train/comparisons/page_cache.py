"""Files put out of the system's page cache, so that reading them is reading from disk.

No rights are needed: `posix_fadvise` for one's own reading, and `mincore` to see whether it helped.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from collections.abc import Sequence
from pathlib import Path

LOOKED_AT = 64
"""Files of which it is looked at whether they are gone."""
MOST_LEFT = 0.02
"""Share of their pages that may still be there."""


def dropped(files: Sequence[Path]) -> bool:
    """Whether `files` are out of the page cache now; False where that can't be done or seen.

    What is mapped by a process stays: close its readers first.

    Raises:
        OSError: a file can't be read.
    """
    if sys.platform != "linux":
        return False
    for path in files:
        _drop(path)
    step = max(1, len(files) // LOOKED_AT)
    return resident_share(files[::step]) <= MOST_LEFT


def resident_share(files: Sequence[Path]) -> float:
    """The part of the files' pages that the page cache holds, 0..1."""
    counts = [_resident_pages(path) for path in files]
    return sum(there for there, _ in counts) / max(1, sum(pages for _, pages in counts))


def _drop(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # pages that are not written yet would stay
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _resident_pages(path: Path) -> tuple[int, int]:
    """(there, all)."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if not size:
            return 0, 0
        with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY) as mapped:
            pages = -(-size // mmap.PAGESIZE)
            found = (ctypes.c_ubyte * pages)()
            start = ctypes.c_char.from_buffer(mapped)
            address = ctypes.c_void_p(ctypes.addressof(start))
            failed = ctypes.CDLL(None).mincore(address, ctypes.c_size_t(size), found)
            del start  # else the map can't be closed
    if failed:
        return pages, pages
    return sum(page & 1 for page in found), pages
