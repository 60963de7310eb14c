"""One file of a remote dataset, fetched whole and held against what it must be."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

from augcli.manifests.errors import AugcliError
from augcli.manifests.files import atomic_file
from augcli.shards.connection import Connection
from augcli.shards.patience import Patience
from augcli.shards.stop import Stop
from augcli.shards.urls import Place

AT_ONCE = 16
"""Short questions and answers on the way at the same time."""

PIECE_BYTES = 1 << 20  # hashed and written while the processor's cache has them
_BLOCK_BYTES = 8 << 20  # of one request, where files are read in several
_LISTS_AHEAD = ("s3", "s3a", "az", "abfs", "abfss")  # and may answer with what was listed before
_TAGS = (
    *("ETag", "etag", "Content-MD5", "Digest", "Last-Modified"),
    *("generation", "mtime", "created", "blob_id", "xet_hash"),
)
"""What drivers call that which changes with a file's bytes."""


class OtherBytesError(AugcliError):
    """A file is there, but it is not what it must be."""


class Sink(Protocol):
    """Where the bytes go. What it raises is not tried again."""

    def restart(self) -> None:
        """Forget what was written."""

    def write(self, piece: bytes) -> None:
        """Append."""


@dataclass(frozen=True)
class RemoteFile:
    """A file below a dataset's URL, and what it must be.

    `sha256` is None for a file that nothing vouches for, `bytes` where its size isn't known; it
    never has more than `most_bytes`.
    """

    name: str
    sha256: str | None
    bytes: int | None
    most_bytes: int

    def fault(self, found_bytes: int, found_sha256: str) -> str:
        """What is wrong with a copy, or ''."""
        if found_bytes > self.most_bytes:
            return f"expected at most {self.most_bytes} bytes, found more"
        if self.bytes is not None and found_bytes != self.bytes:
            return f"expected {self.bytes} bytes, found {found_bytes}"
        if self.sha256 is not None and found_sha256 != self.sha256:
            return f"expected SHA-256 {self.sha256}, found {found_sha256}"
        return ""


class Stat(NamedTuple):
    """A remote file's size and a text that changes with its bytes: None and '' if not known."""

    bytes: int | None
    tag: str


class RemoteFolder:
    """The folder of an expanded dataset at a URL. Safe to use from several threads, to pickle."""

    def __init__(self, url: str, patience: Patience | None = None) -> None:
        """No connection is made yet.

        Raises:
            UsageError: a URL that isn't read (see `checked_url`).
        """
        self.connection = Connection(url, patience)

    @property
    def place(self) -> Place:
        """The URL as people may see it: without credentials."""
        return self.connection.place

    def fetch(self, file: RemoteFile, sink: Sink, stop: Stop | None = None) -> None:
        """Write a file into `sink`, whole and verified.

        What fails on the way is tried again, as `Patience` says; bytes that are not what they must
        be are fetched once more.

        Raises:
            NotThereError: there is no such file.
            OtherBytesError: it is another one than expected.
            AugcliError: not allowed, or out of tries.
            UsageError: the protocol's driver isn't installed.
            Stopped: `stop` was set.
        """
        stop = stop or Stop()

        def copy(filesystem: Any, path: str) -> tuple[int, str]:
            return self._copy(filesystem, path, file.most_bytes, sink, stop)

        for _ in range(2):
            fault = file.fault(*self.connection.run(file.name, copy, stop=stop))
            if not fault:
                return
        raise OtherBytesError(
            f"{self.place / file.name}: {fault}, twice: it is not what was expanded, or is being "
            "replaced; upload the whole dataset folder again"
        )

    def stat(self, name: str) -> Stat | None:
        """Size and tag of the file `name`, None when there is none.

        Raises:
            AugcliError: not allowed, or out of tries.
            UsageError: the protocol's driver isn't installed.
        """
        return self.connection.run(name, self.stat_at)

    def listed(self) -> dict[str, Stat]:
        """All files below the folder, by name: for what needs them all, as it takes many requests.

        Raises:
            AugcliError: not allowed, or out of tries.
            UsageError: the protocol's driver isn't installed.
        """
        return self.connection.run("", _listed)

    def stat_at(self, filesystem: Any, path: str) -> Stat | None:
        """`stat`, of a path in the file system."""
        fresh = {"refresh": True} if self.connection.protocol in _LISTS_AHEAD else {}
        try:
            found = filesystem.info(path, **fresh)
        except FileNotFoundError:
            return None
        return _stat_of(found) if found["type"] == "file" else None

    def save(self, file: RemoteFile, path: Path) -> None:
        """Fetch a file to `path`, which is as before until it is whole.

        Raises:
            AugcliError: as `fetch`, or `path` can't be written.
        """
        try:
            with atomic_file(path) as target:
                self.fetch(file, _File(target, path))
        except OSError as error:
            raise _unwritable(path, error) from error

    def _copy(
        self, filesystem: Any, path: str, most_bytes: int, sink: Sink, stop: Stop
    ) -> tuple[int, str]:
        """One try: bytes written, and their SHA-256. Stops when there are too many."""
        sink.restart()
        digest, count = hashlib.sha256(), 0
        with filesystem.open(path, "rb", **self._open_options()) as source:
            while piece := source.read(PIECE_BYTES):
                stop.check()
                count += len(piece)
                if count > most_bytes:
                    break
                digest.update(piece)
                sink.write(piece)
        return count, digest.hexdigest()

    def _open_options(self) -> dict[str, Any]:
        """How the driver shall read a file once, from its beginning to its end."""
        protocol = self.connection.protocol
        if protocol in ("http", "https"):
            return {"block_size": 0, "size": 1}  # one request; any size spares asking for it
        if protocol == "hf":
            return {"block_size": 0}
        return {} if protocol in ("file", "memory") else {"block_size": _BLOCK_BYTES}


def _listed(filesystem: Any, folder: str) -> dict[str, Stat]:
    filesystem.invalidate_cache()
    found = filesystem.find(folder, detail=True)
    return {
        path.removeprefix(folder): _stat_of(info)
        for path, info in found.items()
        if info["type"] == "file" and path.startswith(folder)
    }


def _stat_of(info: dict[str, Any]) -> Stat:
    tags = (info.get(name) for name in _TAGS)
    return Stat(info.get("size"), " ".join(str(tag) for tag in tags if tag is not None))


class _File:
    """A sink whose own faults are raised at once, lest they be taken for the network's."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file = file
        self._path = path

    def restart(self) -> None:
        self._file.seek(0)
        self._file.truncate()

    def write(self, piece: bytes) -> None:
        try:
            self._file.write(piece)
        except OSError as error:
            raise _unwritable(self._path, error) from error


def _unwritable(path: Path, error: OSError) -> AugcliError:
    return AugcliError(f"{error.filename or path}: can't be written: {error.strerror or error}")
