"""The class tree that other tools read: one file per view, `SPLIT/CLASS/NAME.jpg`.

The files of one round and chunk are written together and are its "shard": its bytes are those of
the files, one after the other.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from augcli.manifests.files import flush_folder
from augcli.manifests.keys import class_folder
from augcli.shards.writer import Address, Members


class FolderWriter:
    """Writes views below `dataset / split` by way of the folder `temporary`."""

    def __init__(self, dataset: Path, split: str, temporary: Path) -> None:
        self.views = 0
        self.bytes = 0
        self._dataset = dataset
        self._split = split
        self._temporary = temporary
        self._digest = hashlib.sha256()
        self._files: list[str] = []
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)

    def write(self, name: str, class_name: str, members: Members) -> Address:
        """Write the image of one view, flushed; label and record are not part of this format."""
        extension, content = next(iter(members.items()))
        place = f"{self._split}/{class_folder(class_name)}/{name}.{extension}"
        with open(self._temporary / str(self.views), "wb", buffering=0) as file:
            file.write(content)
            os.fsync(file.fileno())
        self._files.append(place)
        self._digest.update(content)
        self.views += 1
        self.bytes += len(content)
        return Address(place, 0)

    def publish(self) -> str:
        """Give all files their names; the SHA-256 of their bytes, one after the other."""
        folders = {(self._dataset / place).parent for place in self._files}
        for folder in sorted(folders):
            folder.mkdir(parents=True, exist_ok=True)
        for number, place in enumerate(self._files):
            os.replace(self._temporary / str(number), self._dataset / place)
        for folder in sorted(folders):
            flush_folder(folder)
        return self._digest.hexdigest()

    def __enter__(self) -> FolderWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        shutil.rmtree(self._temporary, ignore_errors=True)


def sha256_of_files(dataset: Path, places: Iterable[str]) -> str:
    """The SHA-256 of files' bytes, one after the other; '' when one can't be read."""
    digest = hashlib.sha256()
    try:
        for place in places:
            digest.update((dataset / place).read_bytes())
    except OSError:
        return ""
    return digest.hexdigest()
