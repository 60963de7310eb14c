"""Whole runs of a tiny network on made-up images, whole and interrupted, compared bit by bit."""

from __future__ import annotations

import dataclasses
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from augcli.manifests.errors import Interrupted
from augcli.train import pictures
from augcli.train.batch import Batch, Sources
from augcli.train.checkpoint import load_checkpoint
from augcli.train.config import TrainConfig
from augcli.train.epoch import Progress
from augcli.train.models import MODELS
from augcli.train.trainer import TrainResult, run_training

CLASSES = ("dark", "light", "striped")
PIXELS = 16
BATCH_SIZE = 8
TRAIN_SAMPLES = 28  # four batches, the last of four
CONFIG = TrainConfig(model="tiny", epochs=3, batch_size=BATCH_SIZE, lr=0.005, seed=7, device="cpu")
OF_THE_CLOCK = re.compile(r".*seconds|images_per_second|resume")


class Tiny(nn.Module):
    """Takes images of any size; has what makes resuming hard: statistics and random draws."""

    def __init__(self, classes: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 4, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes),
        )  # fmt: skip

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layers(images)
        return logits


class MadeUp:
    """Noisy dark, light and striped images; a view depends on the epoch and the sample only."""

    rounds = None

    def __init__(self, samples: int, shuffle: bool = False) -> None:
        self.samples = samples
        self.batches_per_epoch = -(-samples // BATCH_SIZE)
        self.smallest_batch = samples - (self.batches_per_epoch - 1) * BATCH_SIZE
        self.ids = np.arange(samples, dtype=np.uint64)
        self.shuffle = shuffle

    def batches(self, epoch: int, start: int = 0, batch_size: int | None = None) -> Iterator[Batch]:
        chance = torch.Generator().manual_seed(1000 + epoch)
        order = torch.arange(self.samples)
        if self.shuffle:
            order = torch.randperm(self.samples, generator=chance)
        for indices in torch.split(order, batch_size or BATCH_SIZE)[start:]:
            views = torch.stack([self.view(int(index), epoch) for index in indices])
            yield Batch(
                views.contiguous(memory_format=torch.channels_last),
                indices % len(CLASSES),
                tuple(f"sample-{int(index)}" for index in indices),
                indices.numpy(),
            )

    def view(self, index: int, epoch: int) -> torch.Tensor:
        chance = torch.Generator().manual_seed(10_000 * epoch + index)
        image = torch.randint(0, 60, (3, PIXELS, PIXELS), generator=chance)
        if index % 3 == 1:
            image += 150
        elif index % 3 == 2:
            image[:, ::4] += 150
        return image.to(torch.uint8)

    def close(self) -> None:
        pass


class Runs:
    """Trains in folders of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.config = CONFIG

    def folder(self, name: str) -> Path:
        return self._folder / name

    def train(self, name: str, *, stop_at: tuple[int, int] | None = None, **more: Any) -> Any:
        """A run of `config` with the changes in `more`, which may name its `sources`; a signal
        comes after step `stop_at`, (epoch, batch) from 1. `report` and `note` are called back."""

        def progress(step: Progress) -> None:
            if (step.epoch, step.batch) == stop_at:
                signal.raise_signal(signal.SIGINT)

        sources = more.pop("sources", None) or self.sources()
        report, note = more.pop("report", None), more.pop("note", None)
        config = dataclasses.replace(self.config, **more)
        return run_training(
            config, sources, self.folder(name), {"source": "made up"}, report, progress, note=note
        )

    def in_pieces(self, name: str, stops: list[tuple[int, int]], **more: Any) -> TrainResult:
        """The same run, interrupted after each of `stops`."""
        for number, stop_at in enumerate(stops):
            with pytest.raises(Interrupted):
                self.train(name, stop_at=stop_at, resume=number > 0, **more)
        result: TrainResult = self.train(name, resume=True, **more)
        return result

    def sources(self, validation: bool = True, test: bool = True) -> Sources:
        return Sources(
            classes=CLASSES,
            size=(PIXELS, PIXELS),
            train=MadeUp(TRAIN_SAMPLES, shuffle=True),
            validation=MadeUp(13) if validation else None,
            test=MadeUp(11) if test else None,
        )

    def assert_same(self, one: str, other: str) -> None:
        """Two finished runs are the same to the last bit, but for clocks."""
        first, second = self.folder(one), self.folder(other)
        names = {path.name for path in first.glob("*.pt")}
        assert names == {path.name for path in second.glob("*.pt")} > {"best.pt"}
        for name in names:
            a, b = (vars(load_checkpoint(folder / name)) for folder in (first, second))
            assert_same(timeless(a), timeless(b))
        a, b = (json.loads((folder / "run.json").read_text()) for folder in (first, second))
        assert timeless(a) == timeless(b)


def timeless(value: Any) -> Any:
    """`value` without what a clock decided."""
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if not OF_THE_CLOCK.fullmatch(str(k))}
    return [timeless(inner) for inner in value] if isinstance(value, list) else value


def assert_same(one: Any, other: Any) -> None:
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list):
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    else:
        assert one == other


@pytest.fixture(scope="module", autouse=True)
def _cheap() -> Iterator[None]:
    """One thread, the tiny network, and no pictures, which take longer than a tiny run."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS, "tiny", Tiny)
        patch.setattr(pictures, "draw_curves", lambda *shown: None)
        patch.setattr(pictures, "draw_confusion", lambda *shown: None)
        yield
    torch.set_num_threads(before)


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)
