"""`samples.parquet` of an expanded dataset, held against its manifest before a row is trusted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from augcli.manifests.errors import AugcliError
from augcli.manifests.hashing import sha256_file
from augcli.manifests.manifest import MANIFEST_FILE, SAMPLES_FILE, Manifest
from augcli.manifests.samples import as_array
from augcli.manifests.samples_file import (
    TEXTS,
    SamplesFile,
    as_narrow_array,
    as_stored,
    numbers,
)

Order = npt.NDArray[np.int64]


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
            texts = file.texts("key")
            order = self._order(split, texts, file)
            found = {"key": _texts_in_order(texts, order)}
            for name in dict.fromkeys(("label", "shard", *columns)):
                if name not in found:
                    found[name] = _in_order(file, name, order)
        self._check_labels(found["label"])
        self._check_shards(split, found["shard"])
        return pa.Table.from_arrays([found[name] for name in columns], list(columns))

    def _order(self, split: str, texts: pa.DictionaryArray, file: SamplesFile) -> Order:
        """The rows by round, key (of `texts`) and copy: int64 (rows,)."""
        in_order = as_stored(pc.array_sort_indices(texts.dictionary))
        rank = np.empty(len(in_order), np.int32)
        rank[in_order] = np.arange(len(rank))
        keys = rank[as_stored(texts)]
        copies, rounds = (numbers(file.column(name), np.int32) for name in ("copy", "round"))
        order: Order = np.lexsort((copies, keys, rounds))
        self._check_rounds(split, keys[order])
        return order

    def _check_rounds(self, split: str, keys: npt.NDArray[np.int32]) -> None:
        record, rounds = self._manifest.splits[split], self.rounds(split)
        if not len(keys) == record.views == record.views_per_round * rounds:
            raise self._fault(
                f"has {len(keys)} {split} rows where {MANIFEST_FILE} has {record.views} "
                f"views: {record.views_per_round} in each of {rounds} rounds"
            )
        by_round = keys.reshape(rounds, record.views_per_round)
        if not (by_round == by_round[:1]).all():
            raise self._fault(f"the {split} rounds differ in samples")

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
        for name in names.dictionary.take(names.indices.unique()).to_pylist():
            if not is_known(name):
                raise self._fault(f"names the {kind} {name}, which is none of the {split} {plural}")

    def _fault(self, what: str) -> AugcliError:
        return AugcliError(f"{self._path}: {what}; run augcli verify, then expand again")


def _is_view_file(name: str, split: str) -> bool:
    """In the folder format each view is a file below its split's folder."""
    parts = name.split("/")
    return parts[0] == split and len(parts) == 3 and ".." not in parts and "\\" not in name


def _in_order(file: SamplesFile, name: str, order: Order) -> pa.Array:
    """A column with its rows in another order: texts each once, integers as narrow as they fit."""
    if name in TEXTS:
        return _texts_in_order(file.texts(name), order)
    return as_narrow_array(numbers(file.column(name))[order])


def _texts_in_order(texts: pa.DictionaryArray, order: Order) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(as_array(as_stored(texts)[order], 32), texts.dictionary)
