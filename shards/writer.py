"""Writing one shard: under a temporary name, hashed as it grows, published when whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from augcli.manifests.files import publish
from augcli.shards.tar import BLOCK, END, member_header, padding


class ShardWriter:
    """Writes `path` by way of `temporary`; as a context manager, discards it on an exception.

    Attributes:
        samples: views written so far.
        bytes: bytes written so far.
        sha256: hex digest of the whole file, once published.
    """

    def __init__(self, path: Path, temporary: Path) -> None:
        self.path = path
        self.samples = 0
        self.bytes = 0
        self.sha256 = ""
        self._temporary = temporary
        self._digest = hashlib.sha256()
        self._file = open(temporary, "wb")  # noqa: SIM115, closed by publish or discard

    @property
    def next_content(self) -> int:
        """Where the first content of the next view will begin, in bytes."""
        return self.bytes + BLOCK

    def write(self, name: str, members: Mapping[str, bytes]) -> None:
        """Append one view; `members` maps extension to content, in the order of the tar."""
        pieces = []
        for extension, content in members.items():
            pieces += [member_header(f"{name}.{extension}", len(content)), content]
            pieces.append(padding(len(content)))
        self._append(b"".join(pieces))
        self.samples += 1

    def publish(self) -> None:
        """Finish the tar, flush it to disk and give it its name."""
        self._append(END)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        publish(self._temporary, self.path)
        self.sha256 = self._digest.hexdigest()

    def discard(self) -> None:
        """Close and remove what was not published. Idempotent."""
        self._file.close()
        self._temporary.unlink(missing_ok=True)

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.discard()

    def _append(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.bytes += len(data)
