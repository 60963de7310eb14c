"""Folders of results: told from others' folders, and free of what an earlier run left in them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.files import write_atomic


@dataclass(frozen=True)
class ResultFolder:
    """A folder of files with fixed `names`; the first of them is the record, and written last."""

    folder: Path
    names: tuple[str, ...]

    def path(self, name: str) -> Path:
        """Where one of the files is."""
        assert name in self.names
        return self.folder / name

    def check(self) -> None:
        """See that results may be written here, before anything long is begun.

        Raises:
            UsageError: a file is there, or a folder of something else.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise UsageError(f"--out {self.folder}: is a file; expected a folder, or a new name")
        if not self.folder.is_dir() or (self.folder / self.names[0]).exists():
            return
        others = sorted({path.name for path in self.folder.iterdir()} - set(self.names))
        if others:
            raise UsageError(
                f"--out {self.folder}: holds other files ({others[0]}); results need a folder of "
                "their own: choose another --out"
            )

    def begin(self) -> None:
        """Make the folder, and remove what is there of earlier results.

        Raises:
            AugcliError: that can't be done.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for name in self.names:
                (self.folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise AugcliError(
                f"--out {self.folder}: can't be used: {error.strerror}; choose another --out"
            ) from error

    def write_record(self, record: dict[str, Any]) -> None:
        """Write the first of the files.

        Raises:
            ValueError: a number in `record` is not finite.
        """
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
        write_atomic(self.path(self.names[0]), text + "\n")

    def write_table(self, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Write a CSV file; floats round-trip."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
        write_atomic(self.path(name), text.getvalue())
