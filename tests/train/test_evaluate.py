"""Evaluation counts every sample once and leaves the model as it was."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch.nn import functional

from augcli.manifests.errors import AugcliError
from augcli.train.batch import Batch
from augcli.train.evaluate import evaluate
from augcli.train.forward import Forward

CPU = torch.device("cpu")
CLASSES = 4


class Brightness(nn.Module):
    """Knows a class by its brightness, and the running mean of a norm it must not move."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.frozen = nn.BatchNorm2d(3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        brightness = self.frozen(self.norm(images)).mean(dim=(1, 2, 3))
        centres = torch.linspace(-2, 2, CLASSES)
        logits: torch.Tensor = -((brightness[:, None] - centres) ** 2)
        return logits


class Fixed:
    """`samples` images whose brightness is their class, in batches of `batch_size`."""

    def __init__(self, samples: int, batch_size: int, claimed: int | None = None) -> None:
        self.labels = torch.arange(samples) % CLASSES
        self.batch_size = batch_size
        self.samples = samples if claimed is None else claimed
        self.batches_per_epoch = -(-samples // batch_size)

    def batches(self, epoch: int, start: int = 0, batch_size: int | None = None) -> Iterator[Batch]:
        for numbers in torch.split(torch.arange(len(self.labels)), self.batch_size)[start:]:
            labels = self.labels[numbers]
            images = (labels * 85).to(torch.uint8)[:, None, None, None].expand(-1, 3, 8, 8)
            yield Batch(images, labels, tuple(f"s{i}" for i in numbers), numbers.numpy())

    def close(self) -> None:
        pass


@pytest.mark.parametrize("batch_size", [1, 3, 7, 10, 64])
def test_every_sample_once_whatever_the_batches(batch_size: int) -> None:
    model = Brightness()
    found = evaluate(model, Fixed(10, batch_size), Forward(CPU))
    whole = next(Fixed(10, 10).batches(0))
    logits = model.eval()((whole.images.float() / 255 - 0.5) / 0.25)
    assert found.n == found.correct == 10
    assert found.accuracy == 1.0
    assert found.confusion.diagonal().tolist() == [3, 3, 2, 2]
    expected = functional.cross_entropy(logits, whole.labels).item()
    assert found.loss == pytest.approx(expected, rel=1e-5)
    assert found.interval[0] == pytest.approx(0.7225, abs=1e-4)
    assert found.interval[1] == 1.0


def test_modes_and_statistics_are_left_alone() -> None:
    model = Brightness().train()
    model.frozen.eval()
    evaluate(model, Fixed(8, 4), Forward(CPU))
    assert model.training and model.norm.training and not model.frozen.training
    assert model.norm.num_batches_tracked == 0


@pytest.mark.parametrize("claimed", [9, 11])
def test_more_or_fewer_samples_than_the_split_has(claimed: int) -> None:
    with pytest.raises(AugcliError, match=f"got 10 samples where the split has {claimed}"):
        evaluate(Brightness(), Fixed(10, 4, claimed), Forward(CPU))


def test_a_sample_that_comes_twice() -> None:
    class Twice(Fixed):
        def batches(
            self, epoch: int, start: int = 0, batch_size: int | None = None
        ) -> Iterator[Batch]:
            for batch in super().batches(epoch, start):
                yield dataclasses.replace(batch, indices=batch.indices // 2)

    with pytest.raises(AugcliError, match="some of the 10 samples more than once"):
        evaluate(Brightness(), Twice(10, 4), Forward(CPU))


def test_an_empty_split() -> None:
    with pytest.raises(AugcliError, match="got 0 samples"):
        evaluate(Brightness(), Fixed(0, 4), Forward(CPU))
