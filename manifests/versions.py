"""Versions of everything that decides bytes: recorded in manifests, compared on resume."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

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
        return {name: version(name) for name in packages}
    except PackageNotFoundError as error:
        raise AugcliError(
            f"the package {error.name} is not installed: reinstall augcli with pip"
        ) from error
