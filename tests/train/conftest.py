"""What makes a training cheap whose subject is neither its network nor how its pictures look."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from torch import nn

from augcli.manifests.files import write_atomic
from augcli.train import pictures
from augcli.train.metrics import Counts
from augcli.train.models import MODELS
from augcli.train.record import Row


def sketch_curves(path: Path, rows: Sequence[Row], best_epoch: int) -> None:
    """What would be drawn, in plain text: not what clocks decided."""
    clocks = {"seconds": 0.0, "data_wait_seconds": 0.0, "images_per_second": 0.0}
    write_atomic(path, repr(([dataclasses.replace(row, **clocks) for row in rows], best_epoch)))


def sketch_confusion(path: Path, confusion: Counts, classes: Sequence[str], title: str) -> None:
    write_atomic(path, repr((confusion.tolist(), list(classes), title)))


@pytest.fixture(scope="module")
def sketches() -> Iterator[None]:
    """In the place of `curves.png` and `confusion.png`: drawing them takes longer than a tiny run.

    That pictures are whole, and the same if what is drawn is the same, `test_pictures.py` shows.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "draw_curves", sketch_curves)
        patch.setattr(pictures, "draw_confusion", sketch_confusion)
        yield


class Tiny(nn.Sequential):
    """Has what makes resuming hard: statistics that every batch moves, and random draws."""

    def __init__(self, classes: int, size: tuple[int, int]) -> None:
        super().__init__(
            nn.Conv2d(3, 8, 4, stride=4), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2),
            nn.Flatten(), nn.Linear(8 * (size[0] // 4) * (size[1] // 4), classes),
        )  # fmt: skip


@pytest.fixture(scope="module")
def tiny() -> Iterator[str]:
    """The name of a network of a few thousand weights, where `small` has a million."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS, "tiny", Tiny)
        yield "tiny"
