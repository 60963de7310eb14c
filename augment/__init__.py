"""Decode, fit, policies, seeding, the plan, the expansion and its engines, preview.

The names below are the Python API, imported when first used: `import augcli.augment` is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from augcli.augment.config import ExpandConfig, PreviewConfig
    from augcli.augment.expand_result import ExpandResult
    from augcli.augment.expansion import expand
    from augcli.augment.policy import resolve_policy
    from augcli.augment.previewing import PreviewResult, preview
    from augcli.augment.views import view

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
    "ExpandResult": "expand_result",
    "PreviewConfig": "config",
    "PreviewResult": "previewing",
    "expand": "expansion",
    "preview": "previewing",
    "resolve_policy": "policy",
    "view": "views",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
