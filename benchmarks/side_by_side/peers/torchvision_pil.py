"""torchvision v2 on PIL images: what most training code does, saved by Pillow."""

from __future__ import annotations

import io
from collections.abc import Iterator

from PIL import Image
from torchvision.transforms import v2

from side_by_side.peers.torchvision_loop import expand_with
from side_by_side.stored import tar_views as views
from side_by_side.torchvision_policies import augmentation
from side_by_side.work import QUALITY, Work

__all__ = ["expand", "views"]


def expand(work: Work) -> None:
    """joblib workers, each with its own shards."""
    expand_with(work, _encoded)


def _encoded(path: str, work: Work) -> Iterator[bytes]:
    fit = v2.Compose([v2.Resize(work.size), v2.CenterCrop(work.size)])
    augment = augmentation(work.policy)
    with Image.open(path) as opened:
        image = fit(opened.convert("RGB"))
    for _ in range(work.copies):
        buffer = io.BytesIO()
        augment(image).save(buffer, format="JPEG", quality=QUALITY)
        yield buffer.getvalue()
