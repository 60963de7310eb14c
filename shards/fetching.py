"""One file of a remote dataset, fetched whole and held against what it must be."""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import dataclass
from typing import Any, Protocol

from augcli.manifests.errors import AugcliError, UsageError
from augcli.shards.patience import Patience, is_refusal, patiently
from augcli.shards.stop import Stop, Stopped
from augcli.shards.urls import (
    PROTOCOLS,
    Place,
    checked_url,
    joined,
    masked,
    protocol_of,
    without_secrets,
)

PIECE_BYTES = 1 << 20  # hashed and written while the processor's cache has them
_BLOCK_BYTES = 8 << 20  # of one request, where files are read in several
_HTTP_BUFFER_BYTES = 1 << 20
_REASON_CHARACTERS = 300


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


class RemoteFolder:
    """The folder of an expanded dataset at a URL. Safe to use from several threads."""

    def __init__(self, url: str, patience: Patience | None = None) -> None:
        """No connection is made yet.

        Raises:
            UsageError: a URL that isn't read (see `checked_url`).
        """
        self._url = checked_url(url)
        self._patience = patience or Patience()
        self._connecting = threading.Lock()
        self._connected: tuple[int, Any, str] | None = None

    @property
    def place(self) -> Place:
        """The URL as people may see it: without credentials."""
        return Place(masked(self._url))

    def fetch(self, file: RemoteFile, sink: Sink, stop: Stop | None = None) -> None:
        """Write a file into `sink`, whole and verified.

        What fails on the way is tried again, as `Patience` says; bytes that are not what they must
        be are fetched once more.

        Raises:
            AugcliError: not there, not allowed, out of tries, or other bytes than expected.
            UsageError: the protocol's driver isn't installed.
            Stopped: `stop` was set.
        """
        stop = stop or Stop()
        for _ in range(2):
            fault = file.fault(*self._copy_patiently(file, sink, stop))
            if not fault:
                return
        raise AugcliError(
            f"{self.place / file.name}: {fault}, twice: it is not what was expanded, or is being "
            "replaced; upload the whole dataset folder again"
        )

    def _copy_patiently(self, file: RemoteFile, sink: Sink, stop: Stop) -> tuple[int, str]:
        try:
            return patiently(lambda: self._copy(file, sink, stop), self._patience, stop.sleep)
        except (AugcliError, Stopped):
            raise
        except Exception as error:  # drivers raise whatever; its text and cause may hold secrets
            raise self._failure(file.name, error) from None

    def _copy(self, file: RemoteFile, sink: Sink, stop: Stop) -> tuple[int, str]:
        """One try: bytes written, and their SHA-256. Stops when there are too many."""
        filesystem, root = self._connect()
        sink.restart()
        digest, count = hashlib.sha256(), 0
        with filesystem.open(joined(root, file.name), "rb", **self._open_options()) as source:
            while piece := source.read(PIECE_BYTES):
                stop.check()
                count += len(piece)
                if count > file.most_bytes:
                    break
                digest.update(piece)
                sink.write(piece)
        return count, digest.hexdigest()

    def _open_options(self) -> dict[str, Any]:
        """How the driver shall read a file once, from its beginning to its end."""
        protocol = protocol_of(self._url)
        if protocol in ("http", "https"):
            return {"block_size": 0, "size": 1}  # one request; any size spares asking for it
        if protocol == "hf":
            return {"block_size": 0}
        return {} if protocol in ("file", "memory") else {"block_size": _BLOCK_BYTES}

    def _connect(self) -> tuple[Any, str]:
        """fsspec's file system, and the folder's path in it; each process has its own."""
        with self._connecting:
            if self._connected is None or self._connected[0] != os.getpid():
                self._connected = (os.getpid(), *_connect(self._url, self._patience))
            return self._connected[1:]

    def _failure(self, name: str, error: Exception) -> AugcliError:
        where = self.place / name
        text = without_secrets(str(error).strip(), self._url).partition("\n")[0]
        reason = f"{type(error).__name__} {text}".strip()[:_REASON_CHARACTERS]
        if isinstance(error, FileNotFoundError):
            return AugcliError(f"{where}: is not there: check the URL, or upload the whole dataset")
        if is_refusal(error):
            return AugcliError(f"{where}: access is refused: {reason}; check the credentials")
        return AugcliError(
            f"{where}: can't be read: {reason}; check the network and run it again: shards that "
            "were fetched are kept"
        )

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self._url, "patience": self._patience}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


def _connect(url: str, patience: Patience) -> tuple[Any, str]:
    """fsspec's file system for a checked URL, by its class: nothing that fsspec could chain.

    Raises:
        UsageError: the driver isn't installed.
    """
    import fsspec

    protocol = protocol_of(url)
    try:
        driver = fsspec.get_filesystem_class(protocol)
    except (ImportError, ValueError):
        raise UsageError(
            f"{masked(url)}: reading {protocol}:// needs a driver: pip install "
            f"{PROTOCOLS[protocol]}"
        ) from None
    options = _http_options(patience) if protocol in ("http", "https") else {}
    return driver(**driver._get_kwargs_from_urls(url), **options), str(driver._strip_protocol(url))


def _http_options(patience: Patience) -> dict[str, Any]:
    """A time limit on silence in place of aiohttp's on the whole, which a large shard exceeds."""
    import aiohttp
    from fsspec.config import conf

    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=patience.stall_seconds, sock_read=patience.stall_seconds
    )
    own: dict[str, Any] = {"timeout": timeout, "read_bufsize": _HTTP_BUFFER_BYTES}
    for protocol in ("http", "https"):  # the user's settings for fsspec come first
        own.update(conf.get(protocol, {}).get("client_kwargs", {}))
    return {"client_kwargs": own}
