"""The policies in the terms of torchvision's v2 transforms, for PIL images and for tensors."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from torchvision.transforms import v2


@lru_cache(maxsize=1)
def augmentation(policy: str) -> Any:
    """The policy in torchvision's terms."""
    if policy == "autoaugment":
        return v2.AutoAugment()
    return v2.Compose(
        [
            v2.RandomHorizontalFlip(0.5),
            v2.RandomAffine(
                30,
                translate=(0.1, 0.1),
                scale=(0.9, 1.1),
                interpolation=v2.InterpolationMode.BILINEAR,
            ),
            v2.ColorJitter(brightness=0.2, contrast=0.2),
        ]
    )
