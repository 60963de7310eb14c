"""The images that an expanded dataset's views are made anew from, and with which versions."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from augcli.augment.reference_data import find_root
from augcli.augment.remaking import other_versions
from augcli.manifests.errors import AugcliError
from augcli.manifests.manifest import Manifest
from augcli.train.frames import SourceFile
from augcli.train.stored_samples import StoredSamples


def source_files(
    samples: StoredSamples, manifest: Manifest, data: str | None, unread: bool = False
) -> list[SourceFile]:
    """The training images that were expanded, with the hashes they had.

    `unread` files need not be there any more: only what is recorded of them is wanted.
    """
    root = Path() if unread else find_root(manifest.reference, data)
    count = manifest.splits["train"].views_per_round
    names = ("key", "source", "label", "source_sha256")
    table = samples.of_split("train", names).slice(0, count)  # of round 0
    rows = list(zip(*(table.column(name).to_pylist() for name in names), strict=True))
    repeats = Counter(key for key, *_ in rows)
    turns = Counter[str]()
    files = []
    for key, source, label, digest in rows:
        files.append(
            SourceFile(key, root / source, label, digest, turn=turns[key], repeats=repeats[key])
        )
        turns[key] += 1
    return files


def check_versions(dataset: str, manifest: Manifest) -> None:
    """Views made now are the stored ones only with the same libraries: law 2, parity.

    Raises:
        AugcliError: listing those of which another version is installed.
    """
    found = [f"  {line}" for line in other_versions(manifest)]
    if found:
        raise AugcliError(
            f"{dataset}: was expanded with other versions, which may make other views:\n"
            + "\n".join(found)
            + "\ninstall those, train with --source shards, or expand again into another folder"
        )
