"""Remote files kept on this machine by their hashes; several processes may share the folder."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from augcli.manifests.cache import cache_folder
from augcli.manifests.errors import AugcliError, UsageError
from augcli.shards.cache_files import CacheFiles
from augcli.shards.cache_index import is_file_name
from augcli.shards.cache_lock import locked
from augcli.shards.fetching import Sink
from augcli.shards.needed import map_needed, pin, pinned
from augcli.shards.stop import Stop

DEFAULT_CACHE_BYTES = 20 * 10**9
_WAIT_SECONDS = 0.02  # between looks at a download by another process or thread
_LOST_RACES = 10
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class CachedFile:
    """A file to have: its name in the cache, its hash, its size if known, and its title for people.

    The name is the hash, or that of one of a dataset's small files: see `is_file_name`.
    """

    name: str
    sha256: str
    bytes: int | None
    title: str


Fill = Callable[[Sink], None]
"""Writes a whole file, verified, into a sink."""


def default_cache_folder() -> Path:
    """Where shards are kept unless told otherwise: below `$AUGCLI_CACHE`, or the user's cache."""
    return cache_folder() / "shards"


class ShardCache:
    """The cache in `folder` (default: `default_cache_folder()`), of at most `max_bytes` bytes.

    What this process needs now is kept even beyond that; the rest goes, least recently used
    first. Nothing is deleted or counted that was not written by a cache. Safe to pickle and to
    use from several threads.
    """

    def __init__(self, folder: Path | None = None, max_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        """Nothing is touched yet.

        Raises:
            UsageError: `max_bytes` is negative.
        """
        if max_bytes < 0:
            raise UsageError(f"--cache-size: {max_bytes} bytes are fewer than none")
        self.folder = Path(os.path.abspath(folder or default_cache_folder()))  # noqa: PTH100
        self.max_bytes = max_bytes
        self._files = CacheFiles(self.folder, max_bytes)

    def map(self, file: CachedFile, fill: Fill, stop: Stop | None = None) -> mmap.mmap:
        """The file, mapped for reading; it is needed until the map and all views of it are gone.

        When it isn't there, `fill` is called for it, by one process and thread only.

        Raises:
            AugcliError: `fill` can't get it, or the cache can't be written.
            Stopped: `stop` was set.
        """
        path = self._path(file)
        for _ in range(_LOST_RACES):
            with pinned(path), self._faults(file):
                self._obtain(file, fill, stop or Stop())
                with contextlib.suppress(FileNotFoundError):  # another process made room
                    return map_needed(path)
        raise AugcliError(
            f"{self.folder}: {file.title} is deleted by other processes as soon as it is there: "
            "give all of them more room with --cache-size, or each a folder with --cache"
        )

    def path(self, file: CachedFile, fill: Fill) -> Path:
        """The file's path; it is needed as long as this process lives.

        Raises:
            AugcliError: `fill` can't get it, or the cache can't be written.
        """
        path = self._path(file)
        with pinned(path), self._faults(file):
            self._obtain(file, fill, Stop())
            pin(path)
        return path

    def trim(self) -> None:
        """Delete what exceeds `max_bytes` and isn't needed any more."""
        with self._faults():
            self._files.trim()

    def flush(self) -> None:
        """Tell other processes what was used last, and trim."""
        self._files.flush()
        self.trim()

    def _path(self, file: CachedFile) -> Path:
        if not is_file_name(file.name):
            raise AugcliError(f"{file.title}: {file.name!r} is no SHA-256: run augcli verify")
        return self.folder / file.name

    def _obtain(self, file: CachedFile, fill: Fill, stop: Stop) -> None:
        """See to it that the file is there, verified, by our doing or someone else's."""
        self._files.prepare()
        if not self._files.is_verified(file.name):
            lock_path = self._files.lock_path(file.name)
            with locked(lock_path, lambda: stop.sleep(_WAIT_SECONDS), remove=True) as lock:
                if not self._is_there(file):
                    with self._files.writing(file.name, file.bytes or 0, lock) as temporary:
                        self._write(file, temporary, fill)
        self._files.note_use(file.name)

    def _is_there(self, file: CachedFile) -> bool:
        """Whether someone was first, or an earlier run was killed just after it had the file."""
        if self._files.is_verified(file.name):
            return True
        is_right = self._files.adopt(file.name, file.sha256)
        if is_right is None:
            raise AugcliError(
                f"{self.folder / file.name}: is neither {file.title} nor of our making: move it "
                "away, or choose another folder with --cache"
            )
        return is_right

    def _write(self, file: CachedFile, temporary: Path, fill: Fill) -> None:
        with _Temporary(temporary, lambda: self._faults(file)) as sink:
            fill(sink)

    @contextlib.contextmanager
    def _faults(self, file: CachedFile | None = None) -> Iterator[None]:
        """What the system says of the cache's folder, as an AugcliError."""
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            if error.errno in _FULL:
                what = f"{file.title} ({file.bytes} bytes)" if file else "it"
                raise AugcliError(
                    f"{self.folder}: no room on the disk for {what}: {reason}; free some, give "
                    "another folder with --cache, or keep less there with --cache-size"
                ) from error
            raise AugcliError(
                f"{error.filename or self.folder}: can't be used as a cache: {reason}; choose "
                "another folder with --cache"
            ) from error

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "max_bytes": self.max_bytes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


class _Temporary:
    """A new file on the cache's disk, flushed when the block ends well.

    Its own faults are raised as the cache's, at once, lest they be taken for the network's.
    """

    def __init__(
        self, path: Path, faults: Callable[[], contextlib.AbstractContextManager[None]]
    ) -> None:
        self._faults = faults
        with faults():
            self._file = open(path, "xb", buffering=0)  # noqa: SIM115, closed by __exit__

    def restart(self) -> None:
        with self._faults():
            self._file.seek(0)
            self._file.truncate()

    def write(self, piece: bytes) -> None:
        with self._faults():
            rest = memoryview(piece)
            while rest:
                rest = rest[self._file.write(rest) :]

    def __enter__(self) -> _Temporary:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._faults(), self._file:
            if kind is None:
                os.fsync(self._file.fileno())
