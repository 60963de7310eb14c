"""The files of one cache: which of them are ours, verified, and to go when there are too many.

A file appears under its name only when it is whole and verified. What was ours before us is told
by the index; nothing else is ever deleted or counted.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from augcli.manifests.files import flush_folder
from augcli.manifests.hashing import sha256_file
from augcli.shards.cache_index import CacheIndex, Entries, Entry, next_use, temporary_name
from augcli.shards.cache_lock import Lock, try_lock
from augcli.shards.needed import is_needed

LOCKS_FOLDER = "locks"
_NOTE_SECONDS = 5.0  # between writings of what was used, when nothing else is to be written
_DEAD_SECONDS = 24 * 3600.0  # a temporary this old is nobody's, where locks can't tell

Mark = tuple[int, int]  # size in bytes, time of the last change in nanoseconds


class CacheFiles:
    """The files in `folder`, of at most `max_bytes` bytes, but for those that are needed now.

    Every method raises OSError when the folder can't be written, and AugcliError when its index
    is damaged.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._index = CacheIndex(folder)
        self._used: dict[str, None] = {}  # in order, since they were noted last
        self._noted_at = time.monotonic()
        self._verified: dict[str, Mark] = {}
        self._is_prepared = False
        self._is_over = False

    def prepare(self) -> None:
        """Make the folder, clean up after downloads that were killed, and delete what must go."""
        locks = self._folder / LOCKS_FOLDER
        if self._is_prepared and locks.is_dir():
            return
        locks.mkdir(parents=True, exist_ok=True)
        with self.change() as entries:
            for name in list(entries):
                self._clean(name, entries)
        self._is_prepared = True

    def lock_path(self, name: str) -> Path:
        """The file whose lock is held by whoever makes the file `name`."""
        return self._folder / LOCKS_FOLDER / f"{name.replace('/', '-')}.lock"

    @contextlib.contextmanager
    def change(self) -> Iterator[Entries]:
        """The index, to be changed by us alone; afterwards what is too much goes."""
        used, self._used = self._used, {}
        with self._index.change() as entries:
            use = next_use(entries)
            for number, name in enumerate(used):
                if name in entries:
                    entries[name].used = use + number
            yield entries
            self._make_room(entries)
        self._noted_at = time.monotonic()

    def note_use(self, name: str) -> None:
        """Remember that a file was used; others are told now and then."""
        self._used.pop(name, None)
        self._used[name] = None
        if time.monotonic() - self._noted_at > _NOTE_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Tell others what was used. A folder that can't be written is no failure here."""
        with contextlib.suppress(OSError):
            if self._used and self._folder.is_dir():
                with self.change():
                    pass

    def trim(self) -> None:
        """Delete what was too much while it was needed."""
        if self._is_over:
            with self.change():
                pass

    def is_verified(self, name: str) -> bool:
        """Whether a file is there as it was when it was verified, by size and time."""
        mark = self._mark(name)
        if mark is None:
            return False
        if self._verified.get(name) == mark:
            return True
        entry = self._index.read().get(name)
        if entry is None or (entry.bytes, entry.mtime_ns) != mark:
            return False
        self._verified[name] = mark
        return True

    def adopt(self, name: str, sha256: str) -> bool | None:
        """Verify what has this name, by its bytes; what is ours and wrong is deleted.

        True when it is right, False when there is none now, None when it is wrong and not ours.
        """
        mark = self._mark(name)
        if mark is None:
            return False
        is_right = sha256_file(self._folder / name) == sha256
        with self.change() as entries:
            entry = entries.get(name)
            if is_right:
                self._verified[name] = mark
                if entry is not None:
                    entry.bytes, entry.mtime_ns = mark
                return True
            if entry is None:
                return None
            (self._folder / name).unlink(missing_ok=True)
            return False

    @contextlib.contextmanager
    def writing(self, name: str, size: int, lock: Lock) -> Iterator[Path]:
        """A path to write the file to, `size` bytes, whose lock is held.

        It is published when the block ends well, else deleted.
        """
        temporary = self._folder / temporary_name()
        with self.change() as entries:
            if name in entries and lock.is_real:
                self._settle(name, entries)
            entries[name] = Entry(size, next_use(entries), temporary=temporary.name)
        final = self._folder / name
        try:
            yield temporary
            with self.change() as entries:
                final.parent.mkdir(parents=True, exist_ok=True)  # those without files are removed
                os.replace(temporary, final)
                if final.parent != self._folder:  # the folder itself is flushed with its index
                    flush_folder(final.parent)
                mark = self._verified[name] = _mark_of(final.stat())
                entries[name] = Entry(mark[0], next_use(entries), mark[1])
        except BaseException:
            temporary.unlink(missing_ok=True)
            with self.change() as entries:
                entries.pop(name, None)
            raise

    def _clean(self, name: str, entries: Entries) -> None:
        """Settle an entry whose writer was killed, or whose file is gone."""
        temporary = entries[name].temporary
        if temporary is None:
            self._settle(name, entries)
            return
        lock = try_lock(self.lock_path(name))
        if lock is None:
            return  # its writer lives
        try:
            if lock.is_real or _age_seconds(self._folder / temporary) > _DEAD_SECONDS:
                self._settle(name, entries)
        finally:
            lock.release(remove=lock.is_real)

    def _settle(self, name: str, entries: Entries) -> None:
        """Nobody writes a file any more: its temporary goes, its entry stays if it is there."""
        entry = entries[name]
        if entry.temporary is not None:
            (self._folder / entry.temporary).unlink(missing_ok=True)
            entry.temporary = None
        mark = self._mark(name)
        if mark is None:
            del entries[name]
        else:
            entry.bytes = mark[0]

    def _make_room(self, entries: Entries) -> None:
        """Delete the least recently used files until the rest fits, but none that is needed."""
        excess = sum(entry.bytes for entry in entries.values()) - self._max_bytes
        for name in sorted(entries, key=lambda name: entries[name].used):
            if excess <= 0:
                break
            path = self._folder / name
            if entries[name].temporary is None and not is_needed(path):
                try:
                    path.unlink(missing_ok=True)
                except PermissionError:
                    continue  # on Windows while another process maps it
                excess -= entries.pop(name).bytes
                if path.parent != self._folder:
                    with contextlib.suppress(OSError):
                        path.parent.rmdir()
        self._is_over = excess > 0

    def _mark(self, name: str) -> Mark | None:
        try:
            return _mark_of((self._folder / name).stat())
        except FileNotFoundError:
            return None


def _mark_of(found: os.stat_result) -> Mark:
    return found.st_size, found.st_mtime_ns


def _age_seconds(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
