"""The expanded dataset to train from: on this machine, or at a URL and read through a cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from augcli.augment.config import DEFAULT_DATASET
from augcli.manifests.manifest import Manifest, read_manifest
from augcli.shards.remote import RemoteShards
from augcli.shards.remote_dataset import open_remote_dataset
from augcli.shards.shard_cache import ShardCache
from augcli.shards.urls import is_url, masked
from augcli.train.config import REMOTE_SHUFFLE_BUFFER, TrainConfig
from augcli.train.memory import parse_bytes
from augcli.train.stored_samples import StoredSamples
from augcli.train.stored_views import StoredViews


@dataclass(frozen=True)
class Dataset:
    """An expanded dataset; `folder` holds its manifest and its table of samples.

    Shards are in `folder` too, or at `url`, and then kept in `cache`.
    """

    folder: Path
    manifest: Manifest
    samples: StoredSamples
    url: str | None = None
    cache: ShardCache | None = None

    @property
    def place(self) -> str:
        """Where it is, for messages: a URL without its credentials."""
        return str(self.folder) if self.url is None else masked(self.url)

    def views(self, split: str, rounds: int | None = None) -> StoredViews:
        """The stored views of a split, of the first `rounds` rounds or of all."""
        remote = None
        if self.url is not None and self.cache is not None:
            remote = RemoteShards(self.url, self.manifest.shards_of(split), self.cache)
        return StoredViews(self.folder, self.manifest, self.samples, split, remote, rounds)

    def shuffle_buffer(self, wanted: int | None) -> int | None:
        """Among how many samples to shuffle; None: among all, which wants all shards at hand."""
        return REMOTE_SHUFFLE_BUFFER if wanted is None and self.url is not None else wanted


def open_dataset(config: TrainConfig) -> Dataset:
    """The dataset that `config` names.

    Raises:
        UsageError: a URL or a size that can't be read.
        AugcliError: no dataset there, or it can't be fetched.
    """
    place = str(config.shards or DEFAULT_DATASET)
    if not is_url(place):
        folder = Path(place)
        manifest = read_manifest(folder)
        return Dataset(folder, manifest, StoredSamples(folder, manifest))
    cache = ShardCache(config.cache, parse_bytes("--cache-size", config.cache_size))
    folder = open_remote_dataset(place, cache)
    manifest = read_manifest(folder)
    return Dataset(folder, manifest, StoredSamples(folder, manifest), place, cache)
