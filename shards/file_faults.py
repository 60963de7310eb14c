"""Faults of files: missing, changed, or not part of the dataset. No table or tar is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
    for shard in manifest.shards:
        where = f"{SHARDS_FOLDER}/{shard.name}"
        path = dataset / where
        if not path.is_file():
            yield Fault(where, "is missing")
        elif path.stat().st_size != shard.bytes:
            yield Fault(where, f"{path.stat().st_size} bytes, expected {shard.bytes}")


def foreign_files(dataset: Path, manifest: Manifest) -> Iterator[Fault]:
    """Files that the manifest doesn't know."""
    inside = f"{SHARDS_FOLDER}/"
    names = manifest.file_hashes()
    known = {MANIFEST_FILE, SHARDS_FOLDER, *names}
    yield from _foreign("", known, dataset)
    if (dataset / SHARDS_FOLDER).is_dir():
        shards = {shard.name for shard in manifest.shards}
        pages = {name.removeprefix(inside) for name in names if name.startswith(inside)}
        yield from _foreign(inside, shards | pages, dataset / SHARDS_FOLDER)


def _foreign(prefix: str, known: Iterable[str], folder: Path) -> Iterator[Fault]:
    for name in sorted({entry.name for entry in folder.iterdir()} - set(known)):
        yield Fault(prefix + name, "does not belong to the dataset")
