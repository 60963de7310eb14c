"""Views from shards: mapped from disk, any sample in any order, decoded into the batch."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from augcli.augment.decode import DecodeError, Pixels
from augcli.augment.encode import codec_named
from augcli.manifests.errors import AugcliError
from augcli.manifests.manifest import Manifest
from augcli.shards.reader import ShardMap, stored_bytes
from augcli.shards.remote import RemoteShards
from augcli.shards.urls import Place
from augcli.train.views import Labelled, RowFault

if TYPE_CHECKING:
    from augcli.train.stored_samples import StoredSamples


class Shards(Protocol):
    """Where the bytes of stored views are."""

    @property
    def folder(self) -> Path | Place:
        """For messages."""
        ...

    def read(self, shard: str, offset: int, length: int) -> memoryview:
        """The bytes [offset, offset + length) of a shard."""
        ...

    def close(self) -> None:
        """Let go of files."""
        ...


class StoredViews:
    """Views from shards: epoch `e` reads round `e mod rounds`, of all rounds or the first ones.

    The first time that a view is read, its bytes are held against the checksum in the manifest.
    """

    def __init__(
        self,
        dataset: Path,
        manifest: Manifest,
        samples: StoredSamples,
        split: str,
        remote: RemoteShards | None = None,
        rounds: int | None = None,
    ) -> None:
        """Shards are in `dataset` unless they are `remote`; `rounds` are as many as there are at
        most."""
        self._remote = remote
        self._shards: Shards = remote or stored_bytes(dataset, manifest)
        self._codec_name = str(manifest.options["codec"])
        columns = samples.views_of(split)
        self.samples = Labelled(columns.keys, columns.labels.astype(np.int64))
        self.rounds = rounds or samples.rounds(split)
        is_in_tars = manifest.options["format"] == "tar"  # else there is a name for each view
        self._shard_names = list(columns.shard_names) if is_in_tars else columns.shard_names
        self._shard_numbers = columns.shards
        self._offsets, self._lengths = columns.offsets, columns.lengths
        self._checksums = columns.checksums
        self._checked = np.zeros(len(self._offsets), np.bool_)
        self._pixels_at: int | None = None
        pixels_at = codec_named(self._codec_name).pixels_at
        if pixels_at is not None and isinstance(self._shards, ShardMap):
            size = int(manifest.options["size"])
            self._pixels_at = pixels_at((size, size, 3))

    def read(self, indices: npt.NDArray[np.int64], epoch: int, out: Pixels) -> list[RowFault]:
        """Fill `out` with the stored views, decoded."""
        rows = (epoch % self.rounds) * len(self.samples) + indices
        checked = self._checked[rows]
        if self._pixels_at is not None and checked.all():
            self._copy(rows, out)
            return []
        decode_into = codec_named(self._codec_name).decode_into
        names, read = self._shard_names, self._shards.read
        places = zip(
            rows.tolist(),
            checked.tolist(),
            self._shard_numbers[rows].tolist(),
            self._offsets[rows].tolist(),
            self._lengths[rows].tolist(),
            strict=True,
        )
        faults = []
        for place, (row, is_checked, shard, offset, length) in enumerate(places):
            try:
                data = read(names[shard], offset, length)
                if not is_checked:
                    self._check(row, data)
                decode_into(data, out[place])
            except (DecodeError, AugcliError) as error:
                faults.append((place, self._told(row, error)))
        return faults

    def expect(self, indices: npt.NDArray[np.int64], epoch: int) -> None:
        """Have remote shards fetched in the order in which these views will be read."""
        if self._remote is not None:
            shards = self.shards_of_round(epoch)[indices]
            _, first = np.unique(shards, return_index=True)
            self._remote.expect([self._shard_names[shard] for shard in shards[np.sort(first)]])

    def shards_of_round(self, epoch: int) -> npt.NDArray[np.int64]:
        """The number of the shard that holds each sample's view of `epoch`: int64 (samples,)."""
        start = (epoch % self.rounds) * len(self.samples)
        return self._shard_numbers[start : start + len(self.samples)].astype(np.int64)

    def close(self) -> None:
        """Forget all maps."""
        self._shards.close()

    def _copy(self, rows: npt.NDArray[np.int64], out: Pixels) -> None:
        """Views that are stored as they are, and were read and held against their checksums."""
        assert self._pixels_at is not None and isinstance(self._shards, ShardMap)
        images = out.reshape(len(out), -1)
        size = images.shape[1]
        mapped, names, copy = self._shards.mapped, self._shard_names, np.copyto
        starts = (self._offsets[rows].astype(np.int64) + self._pixels_at).tolist()
        for image, shard, start in zip(
            images, self._shard_numbers[rows].tolist(), starts, strict=True
        ):
            copy(image, np.frombuffer(mapped(names[shard]), np.uint8, size, start))

    def _check(self, row: int, data: memoryview) -> None:
        if zlib.crc32(data) != self._checksums[row]:
            raise DecodeError("damaged: its checksum is not the one in the manifest")
        self._checked[row] = True

    def _told(self, row: int, error: Exception) -> str:
        key = self.samples.keys[row % len(self.samples)]
        offset = int(self._offsets[row])
        if isinstance(error, AugcliError):
            return f"the view of {key} at byte {offset}: {error}"
        shard = self._shards.folder / self._shard_names[self._shard_numbers[row]]
        return (
            f"{shard}: the view of {key} at byte {offset}: {error}; run augcli verify, then "
            "expand again"
        )
