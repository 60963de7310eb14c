"""Readers of the plainest outputs: the JPEG views in tar shards, and in folders."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path


def tar_views(folder: Path) -> Iterator[bytes]:
    """The JPEG members of all tar files under `folder`."""
    for path in sorted(folder.rglob("*.tar")):
        with tarfile.open(path) as archive:
            for member in archive:
                if member.name.endswith(".jpg"):
                    stream = archive.extractfile(member)
                    assert stream is not None
                    yield stream.read()


def folder_views(folder: Path) -> Iterator[bytes]:
    """The JPEG files under `folder`."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in (".jpg", ".jpeg"):
            yield path.read_bytes()
