"""Faults of files: missing, changed, or not part of the dataset. No table or tar is read."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

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
    """Files that the manifest and its table (`view_files`, in the folder format) don't know."""
    shards = (f"{SHARDS_FOLDER}/{shard.name}" for shard in manifest.shards)
    known = {MANIFEST_FILE, *manifest.file_hashes(), *view_files}
    if manifest.options["format"] == "tar":
        known.update(shards)
    for folder, folders, files in os.walk(dataset):
        folders.sort()
        for name in sorted(files):
            place = (Path(folder) / name).relative_to(dataset).as_posix()
            if place not in known:
                yield Fault(place, "does not belong to the dataset")
