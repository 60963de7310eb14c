"""The rows of a finished dataset's shards, of which a part is in memory at a time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from augcli.manifests.arrays import as_list
from augcli.manifests.errors import AugcliError
from augcli.manifests.manifest import Manifest
from augcli.manifests.samples import SCHEMA_NAMES, Columns
from augcli.manifests.samples_file import SamplesFile

if TYPE_CHECKING:
    import pyarrow as pa


class StoredRows:
    """Finds the rows of a shard; quick where shards are asked for in the manifest's order.

    The table is open until `close`.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        """
        Raises:
            AugcliError: as `SamplesFile`, or the table at `path` is not that of the manifest.
        """
        self._file = SamplesFile(path)
        self._part_starts = np.cumsum([0, *self._file.part_rows])
        ends = np.cumsum([shard.views for shard in manifest.shards])
        if ends[-1] != self._part_starts[-1]:
            raise AugcliError(f"{path}: not the rows of its manifest")
        bounds = zip(manifest.shards, ends.tolist(), strict=True)
        self._bounds = {shard.name: (end - shard.views, end) for shard, end in bounds}
        self._number = -1
        self._part: dict[str, pa.ChunkedArray] = {}

    def columns(self, shard: str) -> Columns:
        """All columns of a shard's rows."""
        return {name: self.column(shard, name) for name in SCHEMA_NAMES}

    def column(self, shard: str, name: str) -> list[Any]:
        """A column of a shard's rows.

        Raises:
            AugcliError: as `SamplesFile.part`.
        """
        first, end = self._bounds[shard]
        found: list[Any] = []
        while first < end:
            number = int(self._part_starts.searchsorted(first, "right")) - 1
            start, next_start = self._part_starts[number : number + 2].tolist()
            some = min(end, next_start)
            found += as_list(self._column(number, name).slice(first - start, some - first))
            first = some
        return found

    def close(self) -> None:
        """Let go of the table."""
        self._file.close()

    def _column(self, number: int, name: str) -> pa.ChunkedArray:
        if number != self._number:
            self._number, self._part = number, {}
        if name not in self._part:
            self._part[name] = self._file.part(name, number)
        return self._part[name]
