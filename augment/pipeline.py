"""albumentations, imported in the one right way.

It asks a server for its newest version when imported, unless told not to; and it imports torch
(over a second, and memory in every worker) for two transforms that a policy can't use. Neither
is wanted: import it from here.
"""

from __future__ import annotations

import os
import sys

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

_TORCH_LOADED = "torch" in sys.modules
if not _TORCH_LOADED:
    sys.modules["torch"] = None  # type: ignore[assignment]  # "import torch" now fails at once
try:
    import albumentations as A  # noqa: N812, the name that its users know
    from albumentations.core.composition import BaseCompose
    from albumentations.core.serialization import SERIALIZABLE_REGISTRY
    from albumentations.core.transforms_interface import BasicTransform, ImageOnlyTransform
finally:
    if not _TORCH_LOADED:
        del sys.modules["torch"]

__all__ = ["SERIALIZABLE_REGISTRY", "A", "BaseCompose", "BasicTransform", "ImageOnlyTransform"]
