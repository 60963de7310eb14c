"""Faults of files: missing, changed, or not part of the dataset. No table or tar is read."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from augcli.manifests.hashing import sha256_file
from augcli.manifests.manifest import MANIFEST_FILE, SHARDS_FOLDER, Manifest
from augcli.shards.fault import Fault


def lost_files(dataset: Path, manifest: Manifest) -> Iterator[Fault]:
    """Files that are missing or changed; of shards only the size is looked at."""
    for name, digest in manifest.file_hashes().items():
        path = dataset / name
        if not path.is_file():
            yield Fault(name, "is missing")
        elif sha256_file(path) != digest:
            yield Fault(name, "its bytes are not those that the manifest records")
    for shard in manifest.shards if manifest.options["format"] == "tar" else ():
        where = f"{SHARDS_FOLDER}/{shard.name}"
        path = dataset / where
        if not path.is_file():
            yield Fault(where, "is missing")
        elif path.stat().st_size != shard.bytes:
            yield Fault(where, f"{path.stat().st_size} bytes, expected {shard.bytes}")


def foreign_files(
    dataset: Path, manifest: Manifest, view_files: Collection[str]
) -> Iterator[Fault]:
    """Files and folders that are none of the manifest's nor of its table's.

    `view_files` are those of the table, in the folder format; of a foreign folder, only its name
    is given.
    """
    shards = (f"{SHARDS_FOLDER}/{shard.name}" for shard in manifest.shards)
    known = {MANIFEST_FILE, *manifest.file_hashes(), *view_files}
    if manifest.options["format"] == "tar":
        known.update(shards)
    expected = {
        SHARDS_FOLDER,
        *(str(part) for name in known for part in PurePosixPath(name).parents),
    }
    for folder, folders, files in os.walk(dataset):
        here = Path(folder).relative_to(dataset)
        foreign = [name for name in folders if (here / name).as_posix() not in expected]
        for name in sorted((*foreign, *files)):
            place = (here / name).as_posix()
            if place not in known:
                yield Fault(place, "does not belong to the dataset")
        folders[:] = sorted(set(folders) - set(foreign))
