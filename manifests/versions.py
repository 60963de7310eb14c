"""Versions of everything that decides bytes: recorded in manifests, compared on resume."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution

from augcli.manifests.errors import AugcliError

PIXEL_PACKAGES = (
    "augcli",
    "albumentations",
    "albucore",
    "numpy",
    "opencv-python-headless",
    "pillow",
    "pyarrow",
    "simplejpeg",
    "stringzilla",
)


def package_versions(packages: Iterable[str]) -> dict[str, str]:
    """Installed version of each package, by name.

    Raises:
        AugcliError: a package is missing.
    """
    try:
        return {name: _version(name) for name in packages}
    except PackageNotFoundError as error:
        raise AugcliError(
            f"the package {error.name} is not installed: reinstall augcli with pip"
        ) from error


def other_versions(wanted: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The packages of which another version is installed than `wanted`: name, and which."""
    for name, version in wanted.items():
        try:
            installed = _version(name)
        except PackageNotFoundError:
            installed = "not installed"
        if installed != version:
            yield name, installed


@lru_cache(maxsize=64)
def _version(package: str) -> str:
    """As `importlib.metadata.version` has it, without parsing the package's whole description."""
    found = distribution(package)
    line = re.search(r"(?m)^Version: *(\S+)", found.read_text("METADATA") or "")
    return line[1] if line else found.version
