"""albumentations, imported in the one right way.

It asks a server for its newest version when imported, unless told not to; it imports torch (over
a second, and memory in every worker) for two transforms that a policy can't use, and the Hugging
Face hub to share pipelines there. None of it is wanted: import it from here.
"""

from __future__ import annotations

import os
import sys

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

_UNWANTED = [name for name in ("torch", "huggingface_hub") if name not in sys.modules]
for name in _UNWANTED:
    sys.modules[name] = None  # type: ignore[assignment]  # importing it now fails at once
try:
    import albumentations as A  # noqa: N812, the name that its users know
    from albumentations.core.composition import BaseCompose
    from albumentations.core.serialization import SERIALIZABLE_REGISTRY
    from albumentations.core.transforms_interface import BasicTransform, ImageOnlyTransform
finally:
    for name in _UNWANTED:
        del sys.modules[name]

__all__ = ["SERIALIZABLE_REGISTRY", "A", "BaseCompose", "BasicTransform", "ImageOnlyTransform"]
