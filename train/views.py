"""Where a view's pixels come from: stored, or made on the fly. The same view either way.

Samples are numbered by the order of their keys, so that both sources show the same samples in
the same order; where balancing gives a sample several views per round, each counts as one. Arrays
are uint8 RGB of shape (size, size, 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from augcli.augment.decode import DecodeError, Pixels
from augcli.augment.encode import codec_named
from augcli.augment.views import Recipe, ViewMaker
from augcli.manifests.errors import AugcliError
from augcli.manifests.hashing import sha256_bytes
from augcli.manifests.manifest import Manifest
from augcli.manifests.rounds import copies_of_round
from augcli.shards.reader import ShardMap, ViewFiles
from augcli.train.stored_samples import StoredSamples


@dataclass(frozen=True)
class Labelled:
    """The samples of a split, sorted by key: `labels` int64, shape (samples,)."""

    keys: tuple[str, ...]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.keys)


class Views(Protocol):
    """The views of one split. Picklable, so that loader processes can have their own."""

    def read(self, sample: int, epoch: int) -> Pixels:
        """The view that `epoch` shows of a sample.

        Raises:
            AugcliError: it can't be read; the message names file or shard, key and offset.
        """
        ...


class StoredViews:
    """Views from shards: epoch `e` reads round `e mod rounds`, any sample in any order."""

    def __init__(
        self, dataset: Path, manifest: Manifest, samples: StoredSamples, split: str
    ) -> None:
        is_tar = manifest.options["format"] == "tar"
        self._shards = ShardMap(dataset) if is_tar else ViewFiles(dataset)
        self._codec_name = str(manifest.options["codec"])
        self._size = int(manifest.options["size"])
        self._rounds = samples.rounds(split)
        table = samples.of_split(split)
        first = table.slice(0, manifest.splits[split].views_per_round)
        labels = first.column("label").to_numpy().astype(np.int64)
        self.samples = Labelled(tuple(first.column("key").to_pylist()), labels)
        self._names = table.column("shard").combine_chunks().dictionary_encode()
        self._offsets = table.column("offset").to_numpy()
        self._lengths = table.column("length").to_numpy()

    def read(self, sample: int, epoch: int) -> Pixels:
        """The stored view, decoded."""
        row = (epoch % self._rounds) * len(self.samples) + sample
        shard = self._names[row].as_py()
        offset, length = int(self._offsets[row]), int(self._lengths[row])
        data = self._shards.read(shard, offset, length)
        try:
            pixels = codec_named(self._codec_name).decode(data)
        except DecodeError as error:
            raise AugcliError(self._damaged(shard, sample, offset, str(error))) from error
        if pixels.shape != (self._size, self._size, 3):
            raise AugcliError(self._damaged(shard, sample, offset, f"has shape {pixels.shape}"))
        return pixels

    def _damaged(self, shard: str, sample: int, offset: int, reason: str) -> str:
        return (
            f"{self._shards.folder / shard}: the view of {self.samples.keys[sample]} at byte "
            f"{offset}: {reason}; run augcli verify, then expand again"
        )


@dataclass(frozen=True)
class SourceFile:
    """A reference image to be read again and again; `sha256` is what its bytes must have.

    A sample with `repeats` views per round is there as often, with `turn` counting them from 0.
    """

    key: str
    path: Path
    label: int
    sha256: str
    turn: int = 0
    repeats: int = 1


class FreshViews:
    """Views made when asked for: epoch `e` draws the copy of round `e`, or fits only."""

    def __init__(
        self, files: Sequence[SourceFile], recipe: Recipe, *, augmented: bool, originals: bool
    ) -> None:
        self._files = sorted(files, key=lambda file: (file.key, file.turn))
        self._recipe = recipe
        self._augmented = augmented
        self._originals = originals
        self._maker: ViewMaker | None = None
        labels = np.array([file.label for file in self._files], np.int64)
        self.samples = Labelled(tuple(file.key for file in self._files), labels)

    def read(self, sample: int, epoch: int) -> Pixels:
        """The view, made from the image's file."""
        if self._maker is None:
            self._maker = ViewMaker(self._recipe)
        file = self._files[sample]
        try:
            fitted = self._maker.fitted(self._bytes(file))
        except DecodeError as error:
            raise AugcliError(f"{file.path}: {error}") from error
        copy = 0
        if self._augmented:
            copy = copies_of_round(epoch, file.repeats, self._originals)[file.turn]
        return self._maker.view(fitted, file.key, copy, file.label).pixels

    def _bytes(self, file: SourceFile) -> bytes:
        try:
            data = file.path.read_bytes()
        except OSError as error:
            raise AugcliError(f"{file.path}: can't be read: {error.strerror}") from error
        if sha256_bytes(data) != file.sha256:
            raise AugcliError(
                f"{file.path}: is not the image that was expanded, or looked at when training "
                "began (its bytes have changed); put it back, or begin anew in another folder"
            )
        return data

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_maker": None}  # its generators belong to one process
