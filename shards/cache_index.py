"""`index.json` of a cache: what augcli wrote there, how large it is and when it was last used.

What it doesn't name is someone else's. An entry is made before its file, so that no file of ours
is ever unknown, wherever we are killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from augcli.manifests.errors import AugcliError
from augcli.manifests.files import write_atomic
from augcli.manifests.reading import read_json
from augcli.shards.cache_lock import locked

INDEX_FILE = "index.json"
FORMAT = "augcli-cache"
FORMAT_VERSION = 1
_NAME = re.compile(r"[0-9a-f]{64}|datasets/[0-9a-f]{64}/[a-z]+\.[a-z]+")
_TEMPORARY = re.compile(r"[0-9]+-[0-9a-f]+\.part")
_PAUSE_SECONDS = 0.002  # between looks at a lock that others hold for milliseconds

_changing = threading.Lock()  # between threads, also where files have no locks


def _renew_lock() -> None:
    global _changing
    _changing = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


@dataclass
class Entry:
    """A file of the cache: its size, and its time when it was verified (None: not yet).

    `used` grows with each use, over all files; `temporary` is the name under which the file is
    being written, and `bytes` is reserved for it meanwhile.
    """

    bytes: int
    used: int
    mtime_ns: int | None = None
    temporary: str | None = None


Entries = dict[str, Entry]


def is_file_name(name: str) -> bool:
    """Whether a file of the cache can have this name: a hash, or a dataset's small file."""
    return _NAME.fullmatch(name) is not None


def temporary_name() -> str:
    """A name that no other file in the cache's folder has."""
    return f"{os.getpid()}-{secrets.token_hex(8)}.part"


def next_use(entries: Entries) -> int:
    """A number above those of all uses so far: a clock that no machine has wrong."""
    return 1 + max((entry.used for entry in entries.values()), default=0)


class CacheIndex:
    """The index of the cache in `folder`, shared with other processes."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / INDEX_FILE
        self._lock = folder / f"{INDEX_FILE}.lock"

    def read(self) -> Entries:
        """The entries by file name, as they were last published.

        Raises:
            AugcliError: the index is damaged, or another augcli's.
        """
        try:
            content = read_json(self._path)
            if content["format"] != FORMAT or content["format_version"] != FORMAT_VERSION:
                raise ValueError(f"is of another format or version than {FORMAT_VERSION}")
            return {name: _entry(name, value) for name, value in content["files"].items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise AugcliError(
                f"{self._path}: is damaged ({error!r}), so what is in that folder is not known: "
                "remove the folder, or choose another with --cache"
            ) from error

    @contextlib.contextmanager
    def change(self) -> Iterator[Entries]:
        """The entries, to be changed: published when the block ends well and they differ.

        Nobody else changes them meanwhile.

        Raises:
            AugcliError: see `read`.
            OSError: it can't be written.
        """
        with _changing, locked(self._lock, _pause, remove=False):
            entries = self.read()
            before = _text(entries)
            yield entries
            if (after := _text(entries)) != before:
                write_atomic(self._path, after)


def _pause() -> None:
    time.sleep(_PAUSE_SECONDS)


def _entry(name: str, value: dict[str, Any]) -> Entry:
    """An entry, when it names what can be ours: it may be deleted."""
    entry = Entry(**value)
    has_counts = type(entry.bytes) is int and type(entry.used) is int
    is_ours = entry.temporary is None or _TEMPORARY.fullmatch(entry.temporary)
    if not (has_counts and is_ours and is_file_name(name)):
        raise ValueError(f"{name}: {value} is no entry")
    return entry


def _text(entries: Entries) -> str:
    files = {name: asdict(entry) for name, entry in entries.items()}
    return json.dumps(
        {"format": FORMAT, "format_version": FORMAT_VERSION, "files": files}, indent=0
    )
