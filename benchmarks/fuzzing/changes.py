"""Small changes to sound files, such as decoders and parsers fall over."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

INTERESTING = tuple(
    value.to_bytes(size, order)
    for size in (1, 2, 4, 8)
    for value in (0, 1, 0x7F, (1 << 8 * size - 1) - 1, 1 << 8 * size - 1, (1 << 8 * size) - 1)
    for order in ("big", "little")
    if value < 1 << 8 * size
)
KINDS = ("flip", "set", "cut", "repeat", "insert", "swap", "end")
MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Change:
    """One change to a file: what, at which part of it (0..1), of how many bytes, with what."""

    kind: str
    place: float
    length: int
    value: bytes

    def of(self, data: bytes, other: bytes) -> bytes:
        """`data` after the change; pieces may come from `other`."""
        at = int(self.place * len(data))
        end = at + self.length
        if self.kind == "flip":
            bit = 1 << self.length % 8
            return data[:at] + bytes(byte ^ bit for byte in data[at : at + 1]) + data[at + 1 :]
        if self.kind == "set":
            return data[:at] + self.value + data[at + len(self.value) :]
        if self.kind == "cut":
            return data[:at] + data[end:]
        if self.kind == "repeat":
            return data[:at] + data[at:end] * (1 + self.length % 60) + data[end:]
        if self.kind == "insert":
            return data[:at] + self.value + data[at:]
        if self.kind == "swap":
            return data[:at] + other[at:end] + data[end:]
        return data[:at]


def changed(
    data: bytes, changes: Sequence[Change], other: bytes = b"", *, mended: bool = False
) -> bytes:
    """`data` after all changes, at most `MAX_BYTES` of it; `mended`: with sound PNG checksums."""
    for change in changes:
        data = change.of(data, other)[:MAX_BYTES]
    return with_checksums(data) if mended else data


def with_checksums(data: bytes) -> bytes:
    """A PNG whose chunks have the checksums of what they hold; anything else as it is."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    parts, at = [data[:8]], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        end = at + 8 + length
        if end + 4 > len(data):
            break
        parts += [data[at:end], zlib.crc32(data[at + 4 : end]).to_bytes(4, "big")]
        at = end + 4
    return b"".join([*parts, data[at:]])


def drawn(rng: random.Random) -> list[Change]:
    """A few changes at random."""
    return [
        Change(
            rng.choice(KINDS),
            rng.random() ** rng.choice((1, 4)),  # headers come first
            rng.choice((1, 2, 4, 16, rng.randrange(1, 400))),
            rng.choice(INTERESTING),
        )
        for _ in range(rng.choice((1, 1, 2, 3, 5, 9)))
    ]
