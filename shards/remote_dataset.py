"""The small files of a remote dataset, in a local folder that can be read as the dataset's own."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from augcli.manifests.errors import AugcliError
from augcli.manifests.files import write_atomic
from augcli.manifests.hashing import sha256_bytes
from augcli.manifests.manifest import (
    MANIFEST_FILE,
    SAMPLES_FILE,
    FileRecord,
    Manifest,
    read_manifest,
)
from augcli.shards.fetching import RemoteFile, RemoteFolder, Sink
from augcli.shards.patience import Patience
from augcli.shards.shard_cache import CachedFile, ShardCache
from augcli.shards.urls import Place

_MOST_MANIFEST_BYTES = 1 << 28
_MOST_ROW_BYTES = 1 << 16  # of a table
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
    data = manifest_bytes(remote)
    manifest = parsed_manifest(data, remote.place)
    identity = sha256_bytes(data)
    folder = f"datasets/{identity}"
    kept = CachedFile(f"{folder}/{MANIFEST_FILE}", identity, len(data), MANIFEST_FILE)
    path = cache.path(kept, lambda sink: sink.write(data))
    samples = table_file(manifest.samples)
    kept = CachedFile(f"{folder}/{SAMPLES_FILE}", manifest.samples.sha256, None, SAMPLES_FILE)
    cache.path(kept, lambda sink: remote.fetch(samples, sink))
    return path.parent


def manifest_bytes(remote: RemoteFolder) -> bytes:
    """The manifest as it is there now.

    Raises:
        NotThereError: there is none.
        AugcliError: it can't be fetched.
    """
    sink = _Memory()
    remote.fetch(RemoteFile(MANIFEST_FILE, None, None, _MOST_MANIFEST_BYTES), sink)
    return sink.content.getvalue()


def parsed_manifest(data: bytes, place: Place) -> Manifest:
    """The manifest of a dataset in shards, read where nothing is kept if it is none.

    Raises:
        AugcliError: not a manifest that this augcli reads, or not of shards.
    """
    with tempfile.TemporaryDirectory(prefix="augcli-") as folder:
        write_atomic(Path(folder) / MANIFEST_FILE, data)
        try:
            manifest = read_manifest(Path(folder))
        except AugcliError as error:
            raise AugcliError(str(error).replace(folder, place)) from None
    if manifest.options["format"] != "tar":
        raise AugcliError(
            f"{place}: has a file for each view, which is read from local folders only: "
            "expand with --format tar, or download it"
        )
    return manifest


def table_file(table: FileRecord) -> RemoteFile:
    """A table of the dataset, to be fetched: no record says its size."""
    return RemoteFile(
        table.file, table.sha256, None, _MOST_EMPTY_BYTES + table.rows * _MOST_ROW_BYTES
    )


class _Memory(Sink):
    """Keeps what is fetched in memory."""

    def __init__(self) -> None:
        self.content = io.BytesIO()

    def restart(self) -> None:
        self.content = io.BytesIO()

    def write(self, piece: bytes) -> None:
        self.content.write(piece)
