"""Resolved policies, remembered on this machine: resolving one imports albumentations (a second).

What is remembered is the serialised form, under a hash of everything that decided it, and after a
checksum: what was damaged or moved is forgotten. It is data: compiled by our own rules, or built
from the allow-list, like the policy in a manifest.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from augcli.manifests.cache import cache_folder
from augcli.manifests.files import write_atomic
from augcli.manifests.hashing import fingerprint
from augcli.manifests.versions import package_versions

_DECIDE = ("augcli", "albumentations", "numpy", "opencv-python-headless", "torchvision")


def policy_id(name: str, text: str, size: int) -> str:
    """The hash of all that decides what a policy is and whether it works at `size` pixels.

    `text` is that of its file, or ''.
    """
    versions = json.dumps(package_versions(_DECIDE), sort_keys=True)
    return fingerprint([name, text, str(size), versions, *_own_files()])


def _own_files() -> list[str]:
    """Names, sizes and times of this room's code, which changes between versions, too."""
    found = sorted(Path(__file__).parent.glob("*.py"))
    return [f"{path.name} {(at := path.stat()).st_size} {at.st_mtime_ns}" for path in found]


def recall_policy(identity: str) -> str | None:
    """The serialised form that was remembered under this hash."""
    try:
        checksum, _, text = _path(identity).read_text("utf-8").partition("\n")
    except (OSError, ValueError):
        return None
    return text if checksum == fingerprint([identity, text]) else None


def remember_policy(identity: str, text: str) -> None:
    """Remember a policy that was tried; a cache that can't be written is no failure."""
    with contextlib.suppress(OSError):
        path = _path(identity)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, f"{fingerprint([identity, text])}\n{text}")


def _path(identity: str) -> Path:
    return cache_folder() / "policies" / f"{identity}.txt"
