"""Deterministic tar writing, addressable reading, verification. No policies, no torch.

`verify` is the Python API, imported when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from augcli.shards.verification import Verification, verify

__all__ = ["Verification", "verify"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from augcli.shards import verification

    return getattr(verification, name)
