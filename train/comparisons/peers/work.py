"""The work that peers and arms do alike, in plain values that a process of its own reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augcli.augment.decode import Pixels
from augcli.augment.encode import codec_named
from augcli.augment.policy import PolicySpec, checked_spec
from augcli.manifests.manifest import SHARDS_FOLDER, Manifest, read_manifest
from augcli.shards.reader import ShardMap
from augcli.train.remaking import source_files
from augcli.train.stored_samples import StoredSamples

ROUND = 1
"""Of the stored views: the first that is augmented, where there is one."""
AHEAD = 4


@dataclass(frozen=True)
class PeerWork:
    """Training views of an expanded dataset, `batch_size` at a time.

    `folder` is the peer's own; `data` is the reference dataset as the user names it.
    """

    dataset: str
    data: str | None
    folder: str
    size: int
    batch_size: int
    workers: int

    @property
    def manifest(self) -> Manifest:
        """The dataset's."""
        return read_manifest(Path(self.dataset))

    @property
    def policy(self) -> PolicySpec:
        """The dataset's."""
        return checked_spec(str(self.manifest.options["policy"]), self.manifest.policy)

    @property
    def extension(self) -> str:
        """Of the stored images, without the dot."""
        return codec_named(str(self.manifest.options["codec"])).extension.removeprefix(".")

    def shards(self) -> list[str]:
        """The files of one round."""
        manifest = self.manifest
        number = min(ROUND, manifest.rounds - 1)
        found = (shard for shard in manifest.shards_of("train") if shard.round == number)
        return [str(Path(self.dataset) / SHARDS_FOLDER / shard.name) for shard in found]

    def stored(self) -> Iterator[tuple[bytes, int]]:
        """That round's images as they are stored, and their labels."""
        manifest, dataset = self.manifest, Path(self.dataset)
        names = ("round", "shard", "offset", "length", "label")
        table = StoredSamples(dataset, manifest).of_split("train", names)
        number, shards = min(ROUND, manifest.rounds - 1), ShardMap(dataset)
        columns = [column.to_pylist() for column in table.columns]
        for at, shard, offset, length, label in zip(*columns, strict=True):
            if at == number:
                yield bytes(shards.read(shard, offset, length)), label

    def decoded(self, data: bytes) -> Pixels:
        """uint8 RGB (size, size, 3) of a stored image."""
        return codec_named(str(self.manifest.options["codec"])).decode(data)

    def sources(self) -> list[tuple[str, int]]:
        """The images' own files, and their labels."""
        dataset = Path(self.dataset)
        manifest = self.manifest
        files = source_files(StoredSamples(dataset, manifest), manifest, self.data)
        return [(str(file.path), file.label) for file in files]

    def loader_options(self) -> dict[str, Any]:
        """Of torch's DataLoader: workers that stay, and batches ahead."""
        if not self.workers:
            return {"num_workers": 0}
        ahead = {"persistent_workers": True, "prefetch_factor": AHEAD}
        return {"num_workers": self.workers, **ahead}
