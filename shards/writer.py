"""Writing one shard: under a temporary name, hashed as it grows, published when whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol

from augcli.manifests.files import publish
from augcli.shards.tar import BLOCK, END, members_block

_BUFFER_BYTES = 1 << 17

Content = bytes
Members = Mapping[str, Content]  # named here: below, a shard's `bytes` is a number


class Address(NamedTuple):
    """Where the first content of a view is: a file of the dataset, and the byte in it."""

    shard: str
    offset: int


class Writer(Protocol):
    """One shard in the making. As a context manager, it discards what was not published.

    Attributes:
        views: views written so far.
        bytes: bytes written so far.
    """

    views: int
    bytes: int

    def write(self, name: str, class_name: str, members: Members) -> Address:
        """Append one view; `members` maps extension to content, the image first."""
        ...

    def publish(self) -> str:
        """Finish, flush to disk and give the final name; the SHA-256 of all that it holds."""
        ...

    def __enter__(self) -> Writer: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class ShardWriter:
    """Writes the tar `path` by way of `temporary`."""

    def __init__(self, path: Path, temporary: Path) -> None:
        self.path = path
        self.views = 0
        self.bytes = 0
        self._temporary = temporary
        self._digest = hashlib.sha256()
        self._file = open(temporary, "wb", buffering=_BUFFER_BYTES)  # noqa: SIM115, see publish

    def write(self, name: str, class_name: str, members: Members) -> Address:
        """Append one view; its members keep their order in the tar."""
        address = Address(self.path.name, self.bytes + BLOCK)
        self._append(members_block(name, members))
        self.views += 1
        return address

    def publish(self) -> str:
        """Finish the tar and let it be had under its name; its SHA-256."""
        self._append(END)
        sha256 = self._digest.hexdigest()
        self._deliver(sha256)
        return sha256

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._file.close()  # on a full disk it fails again
        finally:
            self._temporary.unlink(missing_ok=True)

    def _deliver(self, sha256: str) -> None:
        """Flush the whole tar to disk and give it its name."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        publish(self._temporary, self.path)

    def _append(self, data: Content) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.bytes += len(data)
