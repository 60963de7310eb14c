"""`samples.parquet` of an expanded dataset, held against its manifest before a row is trusted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from augcli.manifests.arrays import Integers, Texts, as_stored
from augcli.manifests.errors import AugcliError
from augcli.manifests.hashing import sha256_file
from augcli.manifests.manifest import MANIFEST_FILE, SAMPLES_FILE, Manifest
from augcli.manifests.samples_file import SamplesFile
from augcli.train.row_order import Rows, read_keys


@dataclass(frozen=True)
class ViewColumns:
    """What a split's views show, and where they are stored; integers are as narrow as they fit.

    `keys` and `labels` are of one round, by key and copy: (views_per_round,). The others are of
    the views of round 0, of round 1, …: (views,). `shards` are numbers of `shard_names`.
    """

    keys: Texts
    labels: Integers
    shard_names: Texts
    shards: Integers
    offsets: Integers
    lengths: Integers
    checksums: Integers


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

    def of_split(self, split: str, columns: Sequence[str]) -> pa.Table:
        """One row per view, by round, key and copy: the views of round 0, of round 1, …

        Only `columns` are there: texts each once (dictionaries), integers as narrow as they fit.

        Raises:
            AugcliError: not what the manifest says of this split.
        """
        with closing(SamplesFile(self._path, split=split)) as file:
            rows = self._rows(split, file)
            names = dict.fromkeys(("label", "shard", *columns))
            found = {name: self._checked(split, name, rows.column(name)) for name in names}
        return pa.Table.from_arrays([found[name] for name in columns], list(columns))

    def views_of(self, split: str) -> ViewColumns:
        """What it takes to read a split's views; hardly more than that is ever in memory.

        Raises:
            AugcliError: not what the manifest says of this split.
        """
        count = self._manifest.splits[split].views_per_round
        with closing(SamplesFile(self._path, split=split)) as file:
            rows = self._rows(split, file)
            labels = as_stored(self._checked(split, "label", rows.column("label")))[:count].copy()
            shards = self._checked(split, "shard", rows.column("shard"))
            places = [as_stored(rows.column(name)) for name in ("offset", "length", "crc32")]
            names = Texts(shards.dictionary)
            return ViewColumns(rows.keys_of_round(), labels, names, as_stored(shards), *places)

    def _rows(self, split: str, file: SamplesFile) -> Rows:
        record, rounds = self._manifest.splits[split], self.rounds(split)
        keyed = read_keys(file)
        if not len(keyed) == record.views == record.views_per_round * rounds:
            raise self._fault(
                f"has {len(keyed)} {split} rows where {MANIFEST_FILE} has {record.views} "
                f"views: {record.views_per_round} in each of {rounds} rounds"
            )
        rows = keyed.in_order(rounds, record.views_per_round)
        if rows is None:
            raise self._fault(f"the {split} rounds differ in samples")
        return rows

    def _checked(self, split: str, name: str, column: pa.Array) -> pa.Array:
        if name == "label":
            self._check_labels(column)
        if name == "shard":
            self._check_shards(split, column)
        return column

    def _check_labels(self, labels: pa.Array) -> None:
        if not len(labels):
            return
        least, greatest = pc.min_max(labels).as_py().values()
        classes = len(self._manifest.classes)
        if least < 0 or greatest >= classes:
            raise self._fault(f"has labels {least} to {greatest} for {classes} classes")

    def _check_shards(self, split: str, names: pa.DictionaryArray) -> None:
        is_known: Callable[[str], bool]
        if self._manifest.options["format"] == "tar":
            kind, plural = "shard", "shards"
            is_known = {shard.name for shard in self._manifest.shards_of(split)}.__contains__
        else:
            kind, plural = "file", "views"
            is_known = partial(_is_view_file, split=split)
        for name in Texts(names.dictionary.take(names.indices.unique())):
            if not is_known(name):
                raise self._fault(f"names the {kind} {name}, which is none of the {split} {plural}")

    def _fault(self, what: str) -> AugcliError:
        return AugcliError(f"{self._path}: {what}; run augcli verify, then expand again")


def _is_view_file(name: str, split: str) -> bool:
    """In the folder format each view is a file below its split's folder."""
    parts = name.split("/")
    return parts[0] == split and len(parts) == 3 and ".." not in parts and "\\" not in name
