"""What both torchvision peers share: the transforms, and joblib workers that write shards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import torch
import webdataset as wds
from joblib import Parallel, delayed
from torchvision.transforms import v2

from side_by_side.work import Work, image_seed, view_key

Encoded = Callable[[str, Work], Iterator[bytes]]


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


def expand_with(work: Work, encoded: Encoded) -> None:
    """Each worker writes its own shards of what `encoded` makes of its part of the images."""
    Parallel(n_jobs=work.workers)(
        delayed(_part)(work, encoded, number, part) for number, part in enumerate(work.parts())
    )


def _part(work: Work, encoded: Encoded, number: int, part: list[tuple[str, int]]) -> None:
    torch.set_num_threads(1)
    pattern = f"{work.output}/part{number}-%05d.tar"
    with wds.ShardWriter(pattern, maxcount=1000, verbose=0) as sink:
        for path, label in part:
            torch.manual_seed(image_seed(path, work.seed))
            for copy, data in enumerate(encoded(path, work)):
                sink.write({"__key__": view_key(path, copy), "jpg": data, "cls": label})
