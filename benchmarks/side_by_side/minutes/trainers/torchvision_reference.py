"""torchvision's reference recipe: what its references/classification/train.py does by default.

https://github.com/pytorch/vision/tree/main/references/classification
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import models, transforms
from torchvision.datasets import ImageFolder

from side_by_side.minutes.by_epochs import Batches, Loop, run_planned
from side_by_side.minutes.outcome import Outcome
from side_by_side.minutes.work import TRAIN, MinutesWork

BATCH = 32
LR = 0.1 / 8
"""0.1 is for eight GPUs, each with a batch of 32; scaled with the batch as Goyal et al. do
(https://arxiv.org/abs/1706.02677)."""
MOMENTUM, WEIGHT_DECAY = 0.9, 1e-4
STEP_SHARE = 30 / 90
"""`--lr-step-size` of `--epochs`."""
GAMMA = 0.1
RESIZE_BY_CROP = 256 / 224
"""`--val-resize-size` by `--val-crop-size`."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Reference(Loop):
    """The recipe at another size and for other numbers of epochs."""

    def __init__(self, work: MinutesWork) -> None:
        self._work = work
        to_float: list[Callable[[Any], Any]] = [
            transforms.PILToTensor(),
            transforms.ConvertImageDtype(torch.float),
            transforms.Normalize(MEAN, STD),
        ]
        crop = [transforms.RandomResizedCrop(work.size), transforms.RandomHorizontalFlip()]
        resized = round(work.size * RESIZE_BY_CROP)
        middle = [transforms.Resize(resized), transforms.CenterCrop(work.size)]
        self._train = ImageFolder(str(work.split(TRAIN)), transforms.Compose([*crop, *to_float]))
        self._seeing = transforms.Compose([*middle, *to_float])
        self._loss = nn.CrossEntropyLoss()

    def loader(self) -> DataLoader[Any]:
        """All images, shuffled."""
        return DataLoader(
            self._train, batch_size=BATCH, shuffle=True, num_workers=self._work.workers
        )

    def prepare(self, epochs: int) -> None:
        """A new model, and a rate that drops twice."""
        torch.manual_seed(self._work.seed)
        self._model: nn.Module = models.resnet18(num_classes=len(self._train.classes)).train()
        self._optimizer = torch.optim.SGD(
            self._model.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
        )
        steps = epochs * math.ceil(len(self._train) / BATCH)
        self._schedule = torch.optim.lr_scheduler.StepLR(
            self._optimizer, step_size=math.ceil(steps * STEP_SHARE), gamma=GAMMA
        )

    def step(self, images: Tensor, labels: Tensor) -> None:
        """The schedule is stepped here, as few epochs have no exact third."""
        loss = self._loss(self._model(images), labels)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self._schedule.step()

    def model(self) -> nn.Module:
        """As it is."""
        return self._model

    def batches(self, split: str) -> Batches:
        """The middle of each image."""
        images = ImageFolder(str(self._work.split(split)), self._seeing)
        return DataLoader(images, batch_size=BATCH, num_workers=self._work.workers)


def run(work: MinutesWork, variant: str) -> Outcome:
    """There is but one variant."""
    return run_planned(Reference(work), work)
