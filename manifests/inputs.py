"""Which files can be inputs, as far as names and the file system tell: nothing is opened here."""

from __future__ import annotations

import os
import re
import stat
from array import array
from pathlib import Path

IMAGE_EXTENSIONS = frozenset(
    """
    .jpg .jpeg .jpe .jfif .png .webp .bmp .dib .gif .tif .tiff .mpo .ppm .pgm .pbm .pnm
    """.split()
)
MAX_FILE_BYTES = 2 << 30  # a file is read whole; no image that is decoded needs more

# Controls but \t and \n, marks and overrides of direction, and what stands for undecodable bytes.
_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def why_not_by_name(source: str) -> str:
    """Why a file is no image by its name, or '' when it may be one."""
    name = source.rpartition("/")[2]
    extension = os.path.splitext(name)[1]  # noqa: PTH122, a string and not a file
    if not is_utf8(source):
        return "the name is not UTF-8: rename it"
    if name.startswith("."):
        return "hidden file"
    if extension.lower() not in IMAGE_EXTENSIONS:
        return f"not an image extension: {extension}" if extension else "no image extension"
    return ""


def is_utf8(name: str) -> bool:
    """Whether a name from the file system can be written into a record."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(name: str) -> str:
    """The name in UTF-8, other bytes of it as escapes."""
    return name.encode(errors="backslashreplace").decode()


def printable(text: str) -> str:
    """Text for people with what their terminal would obey, and other bytes than UTF-8, as escapes.

    Names of files and classes can be anything: sequences that move the cursor, clear the screen or
    turn the reading direction. Line breaks and tabs stay.
    """
    return _OBEYED.sub(lambda found: ascii(found[0])[1:-1], text)


class OneOfEach:
    """Refuses what is not a regular file of a sane size, and tells files that come a second time.

    The same file under two names would be two samples, and could cross splits.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._devices, self._inodes = array("Q"), array("Q")

    def why_not(self, source: str) -> str:
        """Why `source` (relative to the root) is no input, or '' when it may be one."""
        try:
            found = os.stat(f"{self._root}/{source}")  # noqa: PTH116, follows links
        except FileNotFoundError:
            return "no such file"
        except (OSError, ValueError) as error:
            return f"can't be read: {getattr(error, 'strerror', None) or error}"
        if not stat.S_ISREG(found.st_mode):
            return f"not a regular file: {_KINDS.get(stat.S_IFMT(found.st_mode), 'another kind')}"
        if found.st_size > MAX_FILE_BYTES:
            return f"{found.st_size} bytes are over the limit of {MAX_FILE_BYTES}"
        self._devices.append(found.st_dev)
        self._inodes.append(found.st_ino)
        return ""

    def second_names(self) -> dict[int, int]:
        """Of the inputs so far (the first has number 0) those that another one is already.

        By number, the number of the first of the same file.
        """
        import numpy as np

        files = np.stack([np.frombuffer(ids, np.uint64) for ids in (self._devices, self._inodes)])
        order = np.lexsort(files)
        is_next = (files[:, order[1:]] == files[:, order[:-1]]).all(axis=0)
        firsts: dict[int, int] = {}
        for place in np.flatnonzero(is_next).tolist():
            before, number = order[place : place + 2].tolist()
            firsts[number] = firsts.get(before, before)
        return firsts
