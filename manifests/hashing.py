"""Hashes that decide things: view seeds, splits, fingerprints. Stable for ever, on every machine.

Each function has its own `person` (blake2b's personalisation), so that no two share a stream. What
else `view_seed` seeds (the order of an epoch, the mock galaxies) has keys that no sample can have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

SEED_BITS = 128
_READ_BYTES = 1 << 20


def view_seed(run_seed: int, key: str, copy: int) -> int:
    """The 128-bit seed of copy `copy` of the sample `key`: law 3, independent draws.

    A function of these three and nothing else: no position, worker, clock or global state.
    """
    message = f"{run_seed}\0{copy}\0{key}".encode()
    digest = hashlib.blake2b(message, digest_size=SEED_BITS // 8, person=b"augcli-view").digest()
    return int.from_bytes(digest, "little")


def key_fraction(key: str, purpose: str) -> float:
    """A number in [0, 1) that depends on `key` only; another `purpose` gives another number."""
    person = purpose.encode()
    digest = hashlib.blake2b(key.encode(), digest_size=8, person=person).digest()
    return (int.from_bytes(digest, "little") >> 11) / (1 << 53)


def sha256_bytes(data: bytes | memoryview) -> str:
    """Hex SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file, read piece by piece."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(_READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def fingerprint(lines: Iterable[str]) -> str:
    """Hex SHA-256 of a sequence of strings, whatever characters they hold."""
    digest = hashlib.sha256()
    for line in lines:
        data = line.encode()
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def sha256_if_readable(path: Path) -> str:
    """Hex SHA-256 of a file, '' when it can't be read."""
    try:
        return sha256_file(path)
    except OSError:
        return ""
