"""Tiny sources and a tiny model that has all that a range test could disturb."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from augcli.train.batch import Batch, Sources
from augcli.train.models import MODELS

CLASSES = ("dark", "light")
PIXELS, BATCH_SIZE, SAMPLES = 8, 4, 14


class Tiny(nn.Module):
    """Statistics that every batch moves, and random draws."""

    def __init__(self, classes: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 4, 4, stride=4), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2),
            nn.Flatten(), nn.Linear(4 * (PIXELS // 4) ** 2, classes),
        )  # fmt: skip

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layers(images)
        return logits


class Synthetic:
    """Dark and light images, all alike but for noise; it remembers what it was asked for."""

    def __init__(self) -> None:
        self.samples = SAMPLES
        self.batches_per_epoch = -(-SAMPLES // BATCH_SIZE)
        self.smallest_batch = SAMPLES % BATCH_SIZE
        self.ids = np.arange(SAMPLES, dtype=np.uint64)
        self.rounds = None
        self.asked: list[tuple[int, int]] = []
        self.closed = 0

    def batches(self, epoch: int, start: int = 0, batch_size: int | None = None) -> Iterator[Batch]:
        self.asked.append((epoch, start))
        try:
            for number, indices in enumerate(torch.arange(SAMPLES).split(BATCH_SIZE)):
                if number >= start:
                    yield self.batch(indices, number)
        finally:
            self.closed += 1

    def batch(self, indices: torch.Tensor, number: int) -> Batch:
        noise = torch.rand(len(indices), 3, PIXELS, PIXELS)  # of torch's global random state
        images = (noise * 100 + 100 * (indices % 2).view(-1, 1, 1, 1)).to(torch.uint8)
        images = images.contiguous(memory_format=torch.channels_last)
        keys = tuple(str(int(index)) for index in indices)
        return Batch(images, indices % 2, keys, indices.numpy(), number)

    def close(self) -> None:
        pass


@pytest.fixture
def sources() -> Sources:
    return Sources(CLASSES, (PIXELS, PIXELS), Synthetic(), Synthetic(), Synthetic())


@pytest.fixture(autouse=True)
def tiny_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "tiny", Tiny)
