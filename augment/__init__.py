"""Decode, fit, policies, seeding, the plan, the expansion and its engines, preview.

The names below are the Python API, imported when first used: `import augcli.augment` is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from augcli.augment.config import ExpandConfig, PreviewConfig
    from augcli.augment.expand import ExpandResult, expand
    from augcli.augment.policy import resolve_policy
    from augcli.augment.preview import PreviewResult, preview
    from augcli.augment.view import view

__all__ = [
    "ExpandConfig",
    "ExpandResult",
    "PreviewConfig",
    "PreviewResult",
    "expand",
    "preview",
    "resolve_policy",
    "view",
]

_HOMES = {
    "ExpandConfig": "config",
    "ExpandResult": "expand",
    "PreviewConfig": "config",
    "PreviewResult": "preview",
    "expand": "expand",
    "preview": "preview",
    "resolve_policy": "policy",
    "view": "view",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
