"""Headers are `tarfile`'s, byte for byte; anything else is refused."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import pytest

from augcli.manifests.errors import AugcliError
from augcli.shards.tar import (
    BLOCK,
    MAX_MEMBER_BYTES,
    NAME_BYTES,
    Member,
    member_header,
    members_block,
    padding,
    parse_member,
)

NAMES = ["a", "cat-1-c0.jpg", "x" * NAME_BYTES, "A_b-9.tar.gz", "a b.cls", "~!@#$%^&()[]{}';=+,"]
SIZES = [0, 1, 7, 8, 511, 512, 513, 8**6, 8**10, MAX_MEMBER_BYTES]


def by_tarfile(name: str, size: int, **changes: Any) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    for field, value in changes.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.USTAR_FORMAT)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_header_is_tarfiles(name: str, size: int) -> None:
    header = member_header(name, size)
    assert header == by_tarfile(name, size)
    assert parse_member(header, 1024) == Member(name, 1024 + BLOCK, size)
    assert parse_member(memoryview(header), 0) == Member(name, BLOCK, size)


@pytest.mark.parametrize("name", ["", "x" * (NAME_BYTES + 1), "é.jpg", "a\0b", "a\nb", "\x7f"])
def test_names_that_do_not_fit(name: str) -> None:
    with pytest.raises(AugcliError, match="tar member"):
        member_header(name, 1)


@pytest.mark.parametrize("size", [-1, MAX_MEMBER_BYTES + 1])
def test_sizes_that_do_not_fit(size: int) -> None:
    with pytest.raises(AugcliError, match=r"a\.jpg"):
        member_header("a.jpg", size)


@pytest.mark.parametrize(
    "changes",
    [
        {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"},
        {"type": tarfile.SYMTYPE, "linkname": "../../x"},
        {"type": tarfile.SYMTYPE},
        {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3},
        {"type": tarfile.DIRTYPE},
        {"type": tarfile.FIFOTYPE},
        {"type": tarfile.AREGTYPE},
        {"type": tarfile.XHDTYPE},
        {"uid": 1000},
        {"gid": 1000},
        {"uname": "root"},
        {"gname": "root"},
        {"mode": 0o755},
        {"mode": 0o4644},
        {"mtime": 1},
        {"linkname": "x"},
    ],
)
def test_members_that_are_not_ours(changes: dict[str, Any]) -> None:
    with pytest.raises(AugcliError, match="at byte 4096"):
        parse_member(by_tarfile("a.jpg", 0, **changes), 4096)


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_other_formats(form: int) -> None:
    info = tarfile.TarInfo("a" * 120 if form == tarfile.PAX_FORMAT else "a")
    with pytest.raises(AugcliError):
        parse_member(info.tobuf(form)[:BLOCK], 0)


def test_every_byte_of_a_header_counts() -> None:
    header = member_header("cat-1-c0.jpg", 700)
    for position in range(BLOCK):
        for flip in (1, 0x20, 0x80):
            damaged = bytearray(header)
            damaged[position] ^= flip
            with pytest.raises(AugcliError, match="at byte 512"):
                parse_member(damaged, 512)


@pytest.mark.parametrize("size_field", [b"-0000000001\0", b"0o000000012\0", b"0000_000012\0"])
def test_sizes_that_only_python_reads(size_field: bytes) -> None:
    header = bytearray(member_header("a", 10))
    header[124:136] = size_field
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(AugcliError):
        parse_member(header, 0)


@pytest.mark.parametrize("length", [0, 1, BLOCK - 1])
@pytest.mark.parametrize("whole", [member_header("a", 1), bytes(BLOCK)], ids=["header", "end"])
def test_cut_off(whole: bytes, length: int) -> None:
    with pytest.raises(AugcliError, match="at byte 7 is cut off"):
        parse_member(whole[:length], 7)


def test_end_is_no_member() -> None:
    assert parse_member(bytes(BLOCK), 0) is None


@pytest.mark.parametrize("size", SIZES)
def test_padding_fills_blocks(size: int) -> None:
    zeros = padding(size)
    assert len(zeros) < BLOCK
    assert (size + len(zeros)) % BLOCK == 0
    assert not any(zeros)


def test_a_whole_tar_as_tarfile_writes_it() -> None:
    contents = {"a.jpg": b"x" * 700, "a.cls": b"", "a.json": b"{}" * 256}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    ours = b"".join(member_header(n, len(c)) + c + padding(len(c)) for n, c in contents.items())
    assert buffer.getvalue().startswith(ours + bytes(2 * BLOCK))


@pytest.mark.parametrize("name", ["a", "cat-1-c0", "x" * 90, "a b", "~!@"])
def test_a_block_of_members_is_header_content_and_padding(name: str) -> None:
    members = {"jpg": b"x" * 700, "cls": b"", "json": b"{}" * 256}
    expected = b"".join(
        member_header(f"{name}.{extension}", len(content)) + content + padding(len(content))
        for extension, content in members.items()
    )
    assert members_block(name, members) == expected


@pytest.mark.parametrize(
    ("name", "extension"),
    [("é", "jpg"), ("", "é"), ("a", "j\n"), ("a\0", "jpg"), ("x" * 97, "jpg")],
)
def test_a_block_refuses_bad_names(name: str, extension: str) -> None:
    with pytest.raises(AugcliError, match="printable ASCII"):
        members_block(name, {extension: b"x"})
