"""What augcli keeps on this machine: generated data, downloads, and where data were last seen.

A dataset's files must not say where its reference dataset is (they would differ from machine to
machine), so the machine remembers it here, by the reference's fingerprint.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from augcli.manifests.files import write_atomic

MOST_PLACES = 8


def cache_folder() -> Path:
    """`$AUGCLI_CACHE`, else `augcli` in the user's cache folder. It may not exist yet."""
    if own := os.environ.get("AUGCLI_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "augcli"


def remember_root(fingerprint: str, root: Path) -> None:
    """Note where the reference dataset is; a cache that can't be written is no failure."""
    place = os.fsencode(root.resolve())
    with contextlib.suppress(OSError):
        folder = cache_folder() / "references"
        folder.mkdir(parents=True, exist_ok=True)
        earlier = [other for other in _places(fingerprint) if other != place]
        places = [place, *earlier[: MOST_PLACES - 1]]
        write_atomic(folder / f"{fingerprint}.txt", b"\0".join(places))


def recall_root(fingerprint: str) -> Path | None:
    """Where the reference dataset was last seen: the last such folder that still exists."""
    roots = map(os.fsdecode, _places(fingerprint))
    return next((Path(root) for root in roots if os.path.isdir(root)), None)  # noqa: PTH112, is_dir raises


def _places(fingerprint: str) -> list[bytes]:
    try:
        content = (cache_folder() / "references" / f"{fingerprint}.txt").read_bytes()
    except OSError:
        return []
    return [place for place in content.split(b"\0") if place]
