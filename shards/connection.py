"""The connection to a folder at a URL: made when needed, patient, and silent about secrets."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

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

ResultT = TypeVar("ResultT")

_HTTP_BUFFER_BYTES = 1 << 20
_REASON_CHARACTERS = 300


class NotThereError(AugcliError):
    """There is no such file, or nothing at all at the URL."""


@dataclass(frozen=True)
class Purpose:
    """What is done with a file, for messages: when it fails, when nothing is there, what stays."""

    failing: str
    absent: str
    kept: str


READING = Purpose(
    "can't be read",
    "is not there: check the URL, or upload the whole dataset",
    "what was fetched is kept",
)
WRITING = Purpose(
    "can't be written",
    "there is no such bucket or folder: make it, or check the URL",
    "what was sent is kept",
)


class Connection:
    """A folder at a URL, by fsspec. Safe to use from several threads, to pickle and to fork."""

    def __init__(self, url: str, patience: Patience | None = None) -> None:
        """Nothing is asked for yet.

        Raises:
            UsageError: a URL that isn't read (see `checked_url`).
        """
        self.url = checked_url(url)
        self.patience = patience or Patience()
        self._connecting = threading.Lock()
        self._connected: tuple[int, Any, str] | None = None

    @property
    def protocol(self) -> str:
        """One of `PROTOCOLS`."""
        return protocol_of(self.url)

    @property
    def place(self) -> Place:
        """The URL as people may see it: without credentials."""
        return Place(masked(self.url))

    def run(
        self,
        name: str,
        action: Callable[[Any, str], ResultT],
        purpose: Purpose = READING,
        stop: Stop | None = None,
    ) -> ResultT:
        """What `action` returns for the file system and the path in it of the file `name`.

        It is tried again after failures that pass, as `Patience` says.

        Raises:
            NotThereError: there is no such file.
            AugcliError: not allowed, or out of tries; what `action` raises as such.
            UsageError: the protocol's driver isn't installed.
            Stopped: `stop` was set.
        """

        def attempt() -> ResultT:
            filesystem, root = self.open()
            return action(filesystem, joined(root, name))

        try:
            return patiently(attempt, self.patience, (stop or Stop()).sleep)
        except (AugcliError, Stopped):
            raise
        except Exception as error:  # drivers raise whatever; its text and cause may hold secrets
            raise self._failure(name, error, purpose) from None

    def open(self) -> tuple[Any, str]:
        """fsspec's file system, and the folder's path in it; each process has its own.

        Raises:
            UsageError: the protocol's driver isn't installed.
        """
        with self._connecting:
            if self._connected is None or self._connected[0] != os.getpid():
                self._connected = (os.getpid(), *_connect(self.url, self.patience))
            return self._connected[1:]

    def _failure(self, name: str, error: Exception, purpose: Purpose) -> AugcliError:
        where = self.place / name
        text = without_secrets(str(error).strip(), self.url).partition("\n")[0]
        reason = f"{type(error).__name__} {text}".strip()[:_REASON_CHARACTERS]
        if isinstance(error, FileNotFoundError):
            return NotThereError(f"{where}: {purpose.absent}")
        if is_refusal(error):
            return AugcliError(f"{where}: access is refused: {reason}; check the credentials")
        return AugcliError(
            f"{where}: {purpose.failing}: {reason}; check the network and run it again: "
            f"{purpose.kept}"
        )

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url, "patience": self.patience}

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
            f"{masked(url)}: {protocol}:// needs a driver: pip install {PROTOCOLS[protocol]}"
        ) from None
    options = http_options(patience) if protocol in ("http", "https") else {}
    return driver(**driver._get_kwargs_from_urls(url), **options), str(driver._strip_protocol(url))


def http_options(patience: Patience) -> dict[str, Any]:
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
