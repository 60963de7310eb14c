"""ImageFolder with torchvision's decoder and its v2 transforms on uint8 tensors."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch
from torchvision.io import ImageReadMode, decode_image, read_file
from torchvision.transforms import v2

from side_by_side.readers.image_folder import open_folder
from side_by_side.reading.batch import Epochs
from side_by_side.reading.work import POLICY, ReadWork
from side_by_side.torchvision_policies import augmentation


def open_reader(work: ReadWork, variant: str) -> AbstractContextManager[Epochs]:
    """The fit, then the policy in torchvision's terms."""
    fit = [v2.Resize(work.size, antialias=True), v2.CenterCrop(work.size)]
    return open_folder(work, _load, v2.Compose([*fit, augmentation(POLICY)]))


def _load(path: str) -> torch.Tensor:
    return decode_image(read_file(path), mode=ImageReadMode.RGB)
