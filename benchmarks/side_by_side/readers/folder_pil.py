"""ImageFolder as it is, with torchvision's v2 transforms on PIL images."""

from __future__ import annotations

from contextlib import AbstractContextManager

from torchvision.datasets.folder import default_loader
from torchvision.transforms import v2

from side_by_side.readers.image_folder import open_folder
from side_by_side.reading.batch import Epochs
from side_by_side.reading.work import POLICY, ReadWork
from side_by_side.torchvision_policies import augmentation


def open_reader(work: ReadWork, variant: str) -> AbstractContextManager[Epochs]:
    """The fit, then the policy in torchvision's terms, then tensors."""
    fit = [v2.Resize(work.size), v2.CenterCrop(work.size)]
    transform = v2.Compose([*fit, augmentation(POLICY), v2.PILToTensor()])
    return open_folder(work, default_loader, transform)
