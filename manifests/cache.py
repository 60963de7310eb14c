"""What augcli keeps on this machine: generated data, downloads, and where data were last seen.

A dataset's files must not say where its reference dataset is (they would differ from machine to
machine), so the machine remembers it here, by the reference's fingerprint.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from augcli.manifests.files import write_atomic


def cache_folder() -> Path:
    """`$AUGCLI_CACHE`, else `augcli` in the user's cache folder. It may not exist yet."""
    if own := os.environ.get("AUGCLI_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "augcli"


def remember_root(fingerprint: str, root: Path) -> None:
    """Note where the reference dataset is; a cache that can't be written is no failure."""
    with contextlib.suppress(OSError):
        folder = cache_folder() / "references"
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / f"{fingerprint}.txt", os.fsencode(root.resolve()))


def recall_root(fingerprint: str) -> Path | None:
    """Where the reference dataset was last seen, if that folder still exists."""
    try:
        content = (cache_folder() / "references" / f"{fingerprint}.txt").read_bytes()
    except OSError:
        return None
    root = os.fsdecode(content)
    return Path(root) if os.path.isdir(root) else None  # noqa: PTH112, is_dir raises
