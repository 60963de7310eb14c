"""Which modules can be imported here, without importing them."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable


def missing(names: Iterable[str]) -> list[str]:
    """Those of the modules that are not installed."""
    return [name for name in names if not _is_installed(name)]


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # not even the package that it is in
        return False
