"""Files sent to a folder at a URL: each appears there under its name when it is whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from augcli.manifests.errors import UsageError
from augcli.shards.connection import WRITING
from augcli.shards.fetching import RemoteFolder, Stat
from augcli.shards.patience import Patience
from augcli.shards.urls import checked_url, masked, protocol_of

WRITABLE = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "file", "memory")
"""Object stores show a file when the last of its bytes has come; of the rest see `_put`."""


class WritableFolder(RemoteFolder):
    """A folder at a URL that files are sent to as well."""

    def __init__(self, url: str, patience: Patience | None = None) -> None:
        """No connection is made yet.

        Raises:
            UsageError: a URL that isn't written.
        """
        super().__init__(url, patience)
        _check_writable(url)

    def put(self, source: Path, name: str) -> Stat:
        """Send the whole file `source`; that all of it came is asked for afterwards.

        Raises:
            AugcliError: not allowed, or out of tries.
        """
        return self.connection.run(
            name, lambda filesystem, path: self._put(filesystem, path, source), WRITING
        )

    def remove(self, name: str) -> None:
        """See to it that there is no file `name`.

        Raises:
            AugcliError: not allowed, or out of tries.
        """
        self.connection.run(name, _remove, WRITING)

    def _put(self, filesystem: Any, path: str, source: Path) -> Stat:
        if self.connection.protocol == "file":  # copied piece by piece
            folder, _, name = path.rpartition("/")
            temporary = f"{folder}/.{name}.tmp"
            filesystem.makedirs(folder, exist_ok=True)
            filesystem.put_file(str(source), temporary)
            filesystem.mv(temporary, path)
        else:
            filesystem.put_file(str(source), path)
        wanted, found = os.path.getsize(source), self.stat_at(filesystem, path)  # noqa: PTH202
        if found is None or found.bytes != wanted:
            raise EOFError(f"{found.bytes if found else 0} of {wanted} bytes are there")
        return found


def _remove(filesystem: Any, path: str) -> None:
    try:
        filesystem.rm_file(path)
    except FileNotFoundError:
        return


def _check_writable(url: str) -> None:
    """Refuse what can be read only."""
    protocol = protocol_of(checked_url(url))
    if protocol not in WRITABLE:
        why = "each file would be a commit" if protocol == "hf" else "it is for reading"
        raise UsageError(
            f"{masked(url)}: {protocol}:// is not written to, {why}: expand into a folder and "
            f"upload that, or choose from {', '.join(WRITABLE)}"
        )
