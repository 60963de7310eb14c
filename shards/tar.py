"""USTAR, the same bytes always: mtime 0, fixed owner and mode, no extension headers.

POSIX.1-1988: 512-byte blocks, numbers as octal text, two zero blocks at the end. A header is
put together from fixed pieces, name, size and checksum; `tarfile` would do the same in many times
the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from augcli.manifests.errors import AugcliError

BLOCK = 512
END = bytes(2 * BLOCK)
_ZEROS = bytes(BLOCK)
NAME_BYTES = 100
MAX_MEMBER_BYTES = 8**11 - 1

_NAME = slice(0, 100)
_SIZE = slice(124, 136)
_CHECKSUM = slice(148, 156)

_OWNER = b"".join((b"0000644\0", b"0000000\0", b"0000000\0"))  # mode, owner, group
_MTIME = b"00000000000\0"  # 1970, so that time decides nothing
_TAIL = (b"0".ljust(101, b"\0") + b"ustar\x0000").ljust(BLOCK - _CHECKSUM.stop, b"\0")
_FIXED_SUM = sum(_OWNER) + sum(_MTIME) + sum(_TAIL) + 8 * ord(" ")  # the checksum as blanks


def member_header(name: str, size: int) -> bytes:
    """The 512-byte header of a regular file of `size` bytes.

    Raises:
        AugcliError: the name is empty, not printable ASCII or over 100 bytes, or the size over
            8 GiB.
    """
    if not (_is_plain(name) and len(name) <= NAME_BYTES):
        raise AugcliError(
            f"tar member {name!r}: expected 1 to {NAME_BYTES} printable ASCII characters"
        )
    if not 0 <= size <= MAX_MEMBER_BYTES:
        raise AugcliError(f"tar member {name}: {size} bytes; at most {MAX_MEMBER_BYTES} fit")
    name_field = name.encode("ascii")
    size_field = b"%011o\0" % size
    checksum = b"%06o\0 " % (_FIXED_SUM + sum(name_field) + sum(size_field))
    parts = (name_field.ljust(NAME_BYTES, b"\0"), _OWNER, size_field, _MTIME, checksum, _TAIL)
    return b"".join(parts)


@lru_cache(maxsize=64)
def _ending(extension: str) -> tuple[bytes, int]:
    member_header(f".{extension}", 0)  # refuses what is no part of a name
    ending = f".{extension}".encode("ascii")
    return ending, sum(ending)


def members_block(name: str, members: Mapping[str, bytes]) -> bytes:
    """Consecutive members `NAME.EXTENSION`, each with header and padding, as they are in the tar.

    The same bytes as from `member_header` and `padding`, in less time.
    """
    base = name.encode("ascii", "replace")
    is_plain = _is_plain(name)
    fixed = _FIXED_SUM + sum(base)
    pieces: list[bytes] = []
    for extension, content in members.items():
        ending, ending_sum = _ending(extension)
        size = len(content)
        if len(base) + len(ending) > NAME_BYTES or size > MAX_MEMBER_BYTES or not is_plain:
            member_header(f"{name}.{extension}", size)  # says what is wrong
        size_field = b"%011o\0" % size
        checksum = b"%06o\0 " % (fixed + ending_sum + sum(size_field))
        full = (base + ending).ljust(NAME_BYTES, b"\0")
        pieces += (full, _OWNER, size_field, _MTIME, checksum, _TAIL, content, padding(size))
    return b"".join(pieces)


def _is_plain(name: str) -> bool:
    return name.isascii() and name.isprintable() and bool(name)


def padding(size: int) -> bytes:
    """The zeros that fill a member of `size` bytes up to whole blocks."""
    return _ZEROS[: -size % BLOCK]


@dataclass(frozen=True, slots=True)
class Member:
    """A member as found: `offset` and `size` of its content, in bytes."""

    name: str
    offset: int
    size: int


def parse_member(header: bytes | memoryview, position: int) -> Member | None:
    """The member whose header stands at byte `position`; None for a block of zeros (the end).

    Only headers that augcli writes are accepted: links, devices, other owners, times or modes
    are faults here.

    Raises:
        AugcliError: saying what is wrong with the header.
    """
    block = bytes(header)
    if block == bytes(BLOCK):
        return None
    if len(block) < BLOCK:
        raise AugcliError(f"a header at byte {position} is cut off")
    try:
        name = block[_NAME].rstrip(b"\0").decode("ascii")
        size = int(block[_SIZE].rstrip(b"\0 "), 8)
        expected = member_header(name, size)
    except (ValueError, AugcliError) as error:
        raise AugcliError(f"the header at byte {position} is damaged: {error}") from error
    if block != expected:
        raise AugcliError(f"the header at byte {position} ({name}) is not one that augcli writes")
    return Member(name, position + BLOCK, size)
