"""The small files of a remote dataset, in a local folder that can be read as the dataset's own."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from augcli.manifests.errors import AugcliError
from augcli.manifests.files import write_atomic
from augcli.manifests.hashing import sha256_bytes
from augcli.manifests.manifest import MANIFEST_FILE, SAMPLES_FILE, Manifest, read_manifest
from augcli.shards.fetching import RemoteFile, RemoteFolder, Sink
from augcli.shards.patience import Patience
from augcli.shards.shard_cache import CachedFile, ShardCache
from augcli.shards.urls import Place

_MOST_MANIFEST_BYTES = 1 << 28
_MOST_ROW_BYTES = 1 << 16  # of samples.parquet, whose size no record says
_MOST_EMPTY_BYTES = 1 << 20


def open_remote_dataset(url: str, cache: ShardCache, *, patience: Patience | None = None) -> Path:
    """A folder with the dataset's manifest, fetched anew, and its `samples.parquet`, verified.

    The folder is the manifest's own, so that it never changes; it is kept as long as this process
    lives, and longer while the cache has room. Shards are read by `RemoteShards`.

    Raises:
        UsageError: a URL that isn't read, or its driver isn't installed.
        AugcliError: no dataset there, not one in shards, or it can't be fetched or kept.
    """
    remote = RemoteFolder(url, patience)
    data = _manifest_bytes(remote)
    manifest = _parsed(data, remote.place)
    if manifest.options["format"] != "tar":
        raise AugcliError(
            f"{remote.place}: has a file for each view, which is read from local folders only: "
            "expand with --format tar, or download it"
        )
    identity = sha256_bytes(data)
    folder = f"datasets/{identity}"
    kept = CachedFile(f"{folder}/{MANIFEST_FILE}", identity, len(data), MANIFEST_FILE)
    path = cache.path(kept, lambda sink: sink.write(data))
    samples = manifest.samples
    most_bytes = _MOST_EMPTY_BYTES + samples.rows * _MOST_ROW_BYTES
    wanted = RemoteFile(SAMPLES_FILE, samples.sha256, None, most_bytes)
    kept = CachedFile(f"{folder}/{SAMPLES_FILE}", samples.sha256, None, SAMPLES_FILE)
    cache.path(kept, lambda sink: remote.fetch(wanted, sink))
    return path.parent


def _manifest_bytes(remote: RemoteFolder) -> bytes:
    sink = _Memory()
    remote.fetch(RemoteFile(MANIFEST_FILE, None, None, _MOST_MANIFEST_BYTES), sink)
    return sink.content.getvalue()


def _parsed(data: bytes, place: Place) -> Manifest:
    """The manifest, read where nothing is kept if it is none."""
    with tempfile.TemporaryDirectory(prefix="augcli-") as folder:
        write_atomic(Path(folder) / MANIFEST_FILE, data)
        try:
            return read_manifest(Path(folder))
        except AugcliError as error:
            raise AugcliError(str(error).replace(folder, place)) from None


class _Memory(Sink):
    """Keeps what is fetched in memory."""

    def __init__(self) -> None:
        self.content = io.BytesIO()

    def restart(self) -> None:
        self.content = io.BytesIO()

    def write(self, piece: bytes) -> None:
        self.content.write(piece)
