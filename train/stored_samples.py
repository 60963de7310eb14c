"""`samples.parquet` of an expanded dataset, held against its manifest before a row is trusted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from augcli.manifests.errors import AugcliError
from augcli.manifests.hashing import sha256_file
from augcli.manifests.manifest import MANIFEST_FILE, SAMPLES_FILE, Manifest
from augcli.manifests.samples import SCHEMA_NAMES, read_samples

OWN_COLUMNS = ("key", "label", "copy", "round", "shard")
"""By which the rows are ordered and checked."""


class StoredSamples:
    """The rows of a dataset's stored views, by split."""

    def __init__(self, dataset: Path, manifest: Manifest) -> None:
        """Hold the whole file against its hash.

        Raises:
            AugcliError: it is missing, or not the one that the manifest describes.
        """
        self._path = dataset / SAMPLES_FILE
        self._manifest = manifest
        try:
            digest = sha256_file(self._path)
        except OSError as error:
            raise self._fault(f"can't be read: {error.strerror}") from error
        if digest != manifest.samples.sha256:
            raise self._fault(f"its bytes are not those that {MANIFEST_FILE} records")

    def rounds(self, split: str) -> int:
        """Rounds stored of `split`."""
        return self._manifest.rounds if split == "train" else 1

    def of_split(self, split: str, columns: Sequence[str] = SCHEMA_NAMES) -> pa.Table:
        """One row per view, by round, key and copy: the views of round 0, of round 1, …

        Beside `columns` there are always those of `OWN_COLUMNS`.

        Raises:
            AugcliError: not what the manifest says of this split.
        """
        order = [(name, "ascending") for name in ("round", "key", "copy")]
        table = read_samples(self._path, (*OWN_COLUMNS, *columns), split=split).sort_by(order)
        self._check(split, table)
        return table

    def _check(self, split: str, table: pa.Table) -> None:
        record, rounds = self._manifest.splits[split], self.rounds(split)
        if not table.num_rows == record.views == record.views_per_round * rounds:
            raise self._fault(
                f"has {table.num_rows} {split} rows where {MANIFEST_FILE} has {record.views} "
                f"views: {record.views_per_round} in each of {rounds} rounds"
            )
        keys, count = table.column("key"), record.views_per_round
        first = keys.slice(0, count)
        if not all(keys.slice(turn * count, count).equals(first) for turn in range(rounds)):
            raise self._fault(f"the {split} rounds differ in samples")
        self._check_labels(table.column("label"))
        self._check_shards(split, table.column("shard"))

    def _check_labels(self, labels: Any) -> None:
        if not len(labels):
            return
        least, greatest = pc.min_max(labels).as_py().values()
        classes = len(self._manifest.classes)
        if least < 0 or greatest >= classes:
            raise self._fault(f"has labels {least} to {greatest} for {classes} classes")

    def _check_shards(self, split: str, names: Any) -> None:
        if self._manifest.options["format"] != "tar":
            self._check_files(split, names)
            return
        known = {shard.name for shard in self._manifest.shards_of(split)}
        unknown = sorted(set(pc.unique(names).to_pylist()) - known)
        if unknown:
            raise self._fault(f"names the shard {unknown[0]}, which is none of the {split} shards")

    def _check_files(self, split: str, names: Any) -> None:
        """In the folder format each view is a file below its split's folder."""
        for name in names.to_pylist():
            parts = name.split("/")
            if parts[0] != split or len(parts) != 3 or ".." in parts or "\\" in name:
                raise self._fault(f"names the file {name}, which is none of the {split} views")

    def _fault(self, what: str) -> AugcliError:
        return AugcliError(f"{self._path}: {what}; run augcli verify, then expand again")
