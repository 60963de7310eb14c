"""Shards made here for a dataset at a URL: sent whole, with a receipt of it, and not kept.

A receipt is written before its shard is sent, and completed when it has arrived. So however a run
ends, a shard whose receipt is complete is what the receipt says, one whose receipt is not may be
anything, and one without is as it was before the run.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from augcli.manifests.files import replace_file, write_atomic
from augcli.manifests.manifest import SHARDS_FOLDER
from augcli.manifests.reading import read_json
from augcli.shards.sending import WritableFolder
from augcli.shards.writer import ShardWriter


@dataclass(frozen=True)
class Receipt:
    """A shard's hash, and the tag of the remote file (see `Stat`); '' until it has arrived."""

    sha256: str
    tag: str = ""


class Uploads:
    """The shards of a dataset at a URL, with their receipts in the folder `receipts`."""

    def __init__(self, remote: WritableFolder, receipts: Path) -> None:
        self._remote = remote
        self._receipts = receipts

    def send(self, source: Path, name: str, sha256: str) -> None:
        """Send a shard, unless it is there already.

        Raises:
            AugcliError: it can't be sent.
            OSError: its receipt can't be written.
        """
        if self._receipt(name) is not None and self.holds(name, source.stat().st_size, sha256):
            return
        self._receipts.mkdir(exist_ok=True)
        write_atomic(self._path(name), json.dumps(asdict(Receipt(sha256))))
        found = self._remote.put(source, _place(name))
        replace_file(self._path(name), json.dumps(asdict(Receipt(sha256, found.tag))))

    def holds(self, name: str, size: int, sha256: str) -> bool:
        """Whether a shard is there with these bytes, as far as size and receipt tell.

        Raises:
            AugcliError: the other end can't be asked.
        """
        found, receipt = self._remote.stat(_place(name)), self._receipt(name)
        if found is None or found.bytes != size:
            return False
        return receipt is None or (found.tag != "" and receipt == Receipt(sha256, found.tag))

    def has_size(self, name: str, size: int) -> bool:
        """Whether a shard is there with so many bytes.

        Raises:
            AugcliError: the other end can't be asked.
        """
        found = self._remote.stat(_place(name))
        return found is not None and found.bytes == size

    def names(self) -> set[str]:
        """The shards that were sent, or may have been."""
        return {path.stem for path in self._receipts.glob("*.json")}

    def _path(self, name: str) -> Path:
        return self._receipts / f"{name}.json"

    def _receipt(self, name: str) -> Receipt | None:
        """None when there is none; one that can't be read is of nothing."""
        try:
            return Receipt(**read_json(self._path(name)))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError):
            return Receipt("")


def _place(shard: str) -> str:
    return f"{SHARDS_FOLDER}/{shard}"


class UploadWriter(ShardWriter):
    """Writes the tar `temporary`, which is the shard `name` once it is sent."""

    def __init__(self, uploads: Uploads, name: str, temporary: Path) -> None:
        super().__init__(Path(name), temporary)
        self._uploads = uploads

    def _deliver(self, sha256: str) -> None:
        """Send the whole tar."""
        self._file.close()
        self._uploads.send(self._temporary, self.path.name, sha256)
