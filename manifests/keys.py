"""Sample keys: stable, readable, unique, without dots, derived from the relative path only."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

from augcli.manifests.errors import UsageError

READABLE_LENGTH = 56
MAX_FOLDER_BYTES = 200
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"  # RFC 4648's, in lower case
_PAIRS = [first + second for first in _BASE32 for second in _BASE32]  # ten bits in one go
_UNSAFE = re.compile(r"[^A-Za-z0-9_]+")
_WINDOWS_DEVICES = frozenset(
    "CON PRN AUX NUL CONIN$ CONOUT$".split()
    + [f"{port}{number}" for port in ("COM", "LPT") for number in "0123456789¹²³"]
)
_VIEW_NAME = re.compile(r"([A-Za-z0-9_-]+-)?[a-z2-7]{16}-c\d+")


def sample_key(source: str) -> str:
    """The key of the reference image at `source`, its path relative to the data, with '/'.

    A readable part, then 80 bits of hash: two paths that look alike once cleaned (case, accents,
    punctuation) still get different keys. At most 73 ASCII characters from [A-Za-z0-9_-], so
    that it fits a tar header with the copy and an extension behind it.
    """
    stem, dot, extension = source.rpartition(".")
    readable = stem if dot and "/" not in extension else source
    readable = _UNSAFE.sub("-", readable).strip("-")[-READABLE_LENGTH:].strip("-")
    digest = hashlib.blake2b(source.encode(), digest_size=10, person=b"augcli-key").digest()
    number = int.from_bytes(digest, "big")
    suffix = "".join([_PAIRS[number >> shift & 1023] for shift in range(70, -1, -10)])
    return f"{readable}-{suffix}" if readable else suffix


def view_name(key: str, copy: int) -> str:
    """The name of copy `copy` in a shard: unique over all rounds, and webdataset's `__key__`."""
    return f"{key}-c{copy}"


def is_view_name(name: str) -> bool:
    """Whether `view_name` could have made `name`."""
    return _VIEW_NAME.fullmatch(name) is not None


def class_folder(class_name: str) -> str:
    """The name of a class's folder: its own where that is a safe folder name, else its key."""
    is_safe = (
        class_name.isprintable()
        and class_name.partition(".")[0].rstrip(" ").upper() not in _WINDOWS_DEVICES
        and not set(class_name) & set('/\\:*?"<>|')
        and class_name == class_name.strip(" .")
        and 0 < len(class_name.encode()) <= MAX_FOLDER_BYTES
    )
    return class_name if is_safe else sample_key(class_name)


def class_folders(class_names: Iterable[str]) -> dict[str, str]:
    """The folder of each class.

    Raises:
        UsageError: some systems would take two of them for one: they differ only in case, or in how
            accents are encoded.
    """
    folders = {name: class_folder(name) for name in class_names}
    taken: dict[str, str] = {}
    for name, folder in folders.items():
        alike = unicodedata.normalize("NFC", folder).casefold()
        if other := taken.get(alike):
            raise UsageError(
                f"the classes '{other}' and '{name}' would have the same folder on systems that "
                "don't tell upper from lower case: rename one, or choose --format tar"
            )
        taken[alike] = name
    return folders
