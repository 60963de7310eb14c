"""Stores: what an expansion is written as. A registry of formats, each a way to open a shard."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from augcli.augment.plan import RoundShard, Task
from augcli.manifests.errors import unknown_name
from augcli.manifests.hashing import sha256_if_readable
from augcli.manifests.manifest import SHARDS_FOLDER, WORK_FOLDER
from augcli.shards.folder import FolderWriter, sha256_of_files
from augcli.shards.writer import ShardWriter, Writer


@dataclass(frozen=True)
class Store:
    """A format.

    `extension` ends the shards' names; `open` begins one; `sha256` is that of what a shard became
    (`places` are the files of its views), '' when it can't be read.
    """

    name: str
    extension: str
    open: Callable[[Path, Task, RoundShard], Writer]
    sha256: Callable[[Path, str, Sequence[str]], str]


def _open_tar(dataset: Path, task: Task, shard: RoundShard) -> Writer:
    return ShardWriter(dataset / SHARDS_FOLDER / shard.name, _temporary(dataset, shard))


def _open_folder(dataset: Path, task: Task, shard: RoundShard) -> Writer:
    return FolderWriter(dataset, task.split, _temporary(dataset, shard))


def _temporary(dataset: Path, shard: RoundShard) -> Path:
    """One for each try: a worker on another machine, given up as lost, may still be at it."""
    return dataset / WORK_FOLDER / f"{shard.name}.{uuid.uuid4().hex}.tmp"


STORES = {
    store.name: store
    for store in (
        Store(
            "tar",
            ".tar",
            _open_tar,
            lambda dataset, name, places: sha256_if_readable(dataset / SHARDS_FOLDER / name),
        ),
        Store(
            "folder",
            "",
            _open_folder,
            lambda dataset, name, places: sha256_of_files(dataset, places),
        ),
    )
}


def store_named(name: str) -> Store:
    """The store `name`.

    Raises:
        UsageError: an unknown name; the message lists the choices.
    """
    if name not in STORES:
        raise unknown_name("format", name, STORES)
    return STORES[name]
