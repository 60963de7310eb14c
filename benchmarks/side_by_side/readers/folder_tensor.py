"""ImageFolder with torchvision's decoder and its v2 transforms on uint8 tensors."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial

from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms import v2

from side_by_side.readers.image_folder import open_folder
from side_by_side.reading.batch import Epochs
from side_by_side.reading.work import POLICY, ReadWork
from side_by_side.torchvision_policies import augmentation


def open_reader(work: ReadWork, variant: str) -> AbstractContextManager[Epochs]:
    """The fit, then the policy in torchvision's terms."""
    fit = [v2.Resize(work.size, antialias=True), v2.CenterCrop(work.size)]
    load = partial(decode_image, mode=ImageReadMode.RGB)
    return open_folder(work, load, v2.Compose([*fit, augmentation(POLICY)]))
