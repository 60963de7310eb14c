"""torchvision v2 on uint8 tensors (3, height, width), with its own JPEG decoder and encoder."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torchvision.io import ImageReadMode, decode_image, encode_jpeg, read_file
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
    fit = v2.Compose([v2.Resize(work.size, antialias=True), v2.CenterCrop(work.size)])
    augment = augmentation(work.policy)
    image = fit(decode_image(read_file(path), mode=ImageReadMode.RGB))
    for _ in range(work.copies):
        view: torch.Tensor = augment(image)
        yield encode_jpeg(view.contiguous(), quality=QUALITY).numpy().tobytes()
