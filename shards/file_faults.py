"""Faults of files: missing, changed, or not part of the dataset. No table or tar is read."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator
from pathlib import Path, PurePosixPath

from augcli.manifests.hashing import sha256_file
from augcli.manifests.keys import class_folder, is_view_name
from augcli.manifests.manifest import (
    MANIFEST_FILE,
    SHARDS_FOLDER,
    WORK_FOLDER,
    Manifest,
    is_shard_name,
)
from augcli.manifests.sample_list import SPLITS
from augcli.shards.fault import Fault


def lost_files(dataset: Path, manifest: Manifest) -> Iterator[Fault]:
    """Files and empty folders that are missing or changed; of shards only the size counts."""
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
            yield Fault(where, "is missing", shard.name)
        elif path.stat().st_size != shard.bytes:
            what = f"{path.stat().st_size} bytes, expected {shard.bytes}"
            yield Fault(where, what, shard.name)
    for where in lost_class_folders(dataset, manifest):
        yield Fault(where, "is missing: readers number the classes by such empty folders, too")


def lost_class_folders(dataset: Path, manifest: Manifest) -> Iterator[str]:
    """Class folders without views that are not there, in the folder format.

    Git and tools that copy can drop them; those with views are missed with their files.
    """
    if manifest.options["format"] == "tar":
        return
    for split, record in manifest.splits.items():
        for name, views in zip(manifest.classes, record.views_per_class, strict=True):
            where = f"{split}/{class_folder(name)}"
            if record.views and not views and not (dataset / where).is_dir():
                yield where


def foreign_files(
    dataset: Path, manifest: Manifest, view_files: Container[str], *, growing: bool = False
) -> Iterator[Fault]:
    """Files and folders that are none of the manifest's nor of its table's.

    `view_files` are those of the table, in the folder format; of a foreign folder, only its name
    is given. While the dataset is `growing`, what is made for it is left alone.
    """
    shards = (f"{SHARDS_FOLDER}/{shard.name}" for shard in manifest.shards)
    known = {MANIFEST_FILE, *manifest.file_hashes()}
    if manifest.options["format"] == "tar":
        known.update(shards)
    expected = _folders(manifest)
    for folder, folders, files in os.walk(dataset):
        here = Path(folder).relative_to(dataset)
        foreign = [
            name
            for name in folders
            if (here / name).as_posix() not in expected
            and not (growing and (here / name).parts[0] == WORK_FOLDER)
        ]
        for name in sorted((*foreign, *files)):
            place = (here / name).as_posix()
            is_known = place in known or place in view_files
            if not is_known and not (growing and _is_of_growth(place)):
                yield Fault(place, "does not belong to the dataset")
        folders[:] = sorted(set(folders) - set(foreign))


def _folders(manifest: Manifest) -> set[str]:
    if manifest.options["format"] == "tar":
        return {SHARDS_FOLDER}
    classes = [class_folder(name) for name in manifest.classes]
    return {*SPLITS, *(f"{split}/{name}" for split in SPLITS for name in classes)}


def _is_of_growth(place: str) -> bool:
    """Whether an expansion at work may have made this: its own records, a shard, a view's file."""
    path = PurePosixPath(place)
    top = path.parts[0]
    if top == SHARDS_FOLDER:
        return is_shard_name(path.name)
    return top == WORK_FOLDER or (top in SPLITS and is_view_name(path.stem))
