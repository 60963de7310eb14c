"""Stores: what an expansion is written as, and where. Each is a way to open a shard and to find it.

A registry of formats for folders on this machine; at a URL there is one, the tar.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from augcli.augment.plan import RoundShard, Task
from augcli.manifests.errors import UsageError, unknown_name
from augcli.manifests.hashing import sha256_if_readable
from augcli.manifests.manifest import SHARDS_FOLDER, WORK_FOLDER, ShardRecord
from augcli.shards.fetching import AT_ONCE
from augcli.shards.folder import FolderWriter, sha256_of_files
from augcli.shards.sending import WritableFolder
from augcli.shards.uploading import Uploads, UploadWriter
from augcli.shards.writer import ShardWriter, Writer

RECEIPTS_FOLDER = "receipts"

Files = Callable[[], Sequence[tuple[str, int]]]
"""The files of a shard's views, with the bytes of each view: looked up when they are needed."""


@dataclass(frozen=True)
class Store:
    """A way to keep shards.

    `extension` ends their names; `open` begins one. `is_there` tells whether a shard is there, by
    its size, and `holds` whether it has the bytes that its record says; in the format of files both
    need to know its `Files`. `at_once` is how many can be asked about at the same time.
    """

    name: str
    extension: str
    open: Callable[[Path, Task, RoundShard], Writer]
    is_there: Callable[[Path, ShardRecord, Files], bool]
    holds: Callable[[Path, ShardRecord, Files], bool]
    at_once: int = 1


def _open_tar(dataset: Path, task: Task, shard: RoundShard) -> Writer:
    return ShardWriter(_tar(dataset, shard), _temporary(dataset, shard))


def _open_folder(dataset: Path, task: Task, shard: RoundShard) -> Writer:
    return FolderWriter(dataset, task.split, _temporary(dataset, shard))


def _temporary(dataset: Path, shard: RoundShard) -> Path:
    """One for each try: a worker on another machine, given up as lost, may still be at it."""
    return dataset / WORK_FOLDER / f"{shard.name}.{uuid.uuid4().hex}.tmp"


def _tar(dataset: Path, shard: RoundShard | ShardRecord) -> Path:
    return dataset / SHARDS_FOLDER / shard.name


def _has_size(path: Path, size: int) -> bool:
    try:
        return os.path.getsize(path) == size  # noqa: PTH202, faster
    except OSError:
        return False


def _files_are_there(dataset: Path, shard: ShardRecord, files: Files) -> bool:
    return all(_has_size(dataset / place, size) for place, size in files())


def _files_hold(dataset: Path, shard: ShardRecord, files: Files) -> bool:
    return sha256_of_files(dataset, (place for place, _ in files())) == shard.sha256


STORES = {
    store.name: store
    for store in (
        Store(
            "tar",
            ".tar",
            _open_tar,
            lambda dataset, shard, _: _has_size(_tar(dataset, shard), shard.bytes),
            lambda dataset, shard, _: sha256_if_readable(_tar(dataset, shard)) == shard.sha256,
        ),
        Store("folder", "", _open_folder, _files_are_there, _files_hold),
    )
}


def store_named(name: str, url: str = "") -> Store:
    """The store for the format `name` in a folder, or at `url`.

    Raises:
        UsageError: an unknown name (the message lists the choices), one that isn't for URLs, or a
            driver that isn't installed.
    """
    if name not in STORES:
        raise unknown_name("format", name, STORES)
    return _remote_store(name, url) if url else STORES[name]


def _remote_store(name: str, url: str) -> Store:
    """Shards are made on this machine, in the folder of the dataset that stands for the URL's."""
    if name != "tar":
        raise UsageError(
            f"--format {name} is for folders on this machine, as it has a file for each view: "
            "choose --format tar, or expand into a folder and upload that"
        )
    remote = WritableFolder(url)
    remote.connection.open()  # by the thread that stays: fsspec keeps one for each

    def uploads(dataset: Path) -> Uploads:
        return Uploads(remote, dataset / WORK_FOLDER / RECEIPTS_FOLDER)

    def begin(dataset: Path, task: Task, shard: RoundShard) -> Writer:
        return UploadWriter(uploads(dataset), shard.name, _temporary(dataset, shard))

    return Store(
        name,
        STORES[name].extension,
        begin,
        lambda dataset, shard, _: uploads(dataset).has_size(shard.name, shard.bytes),
        lambda dataset, shard, _: uploads(dataset).holds(shard.name, shard.bytes, shard.sha256),
        AT_ONCE,
    )
