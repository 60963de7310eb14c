"""What makes a training cheap whose subject is not its network, nor how its pictures look."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from augcli.manifests.files import write_atomic
from augcli.train import pictures
from augcli.train.metrics import Counts
from augcli.train.record import Row


@pytest.fixture(scope="module")
def sketches() -> Iterator[None]:
    """`curves.png` and `confusion.png` hold in plain text what would be drawn, but for clocks.

    Drawing takes longer than the training of a tiny run. That the same input gives the same
    picture, and a whole one, `test_pictures.py` shows.
    """

    def sketch_curves(path: Path, rows: Sequence[Row], best_epoch: int) -> None:
        stopped = {"seconds": 0.0, "data_wait_seconds": 0.0, "images_per_second": 0.0}
        write_atomic(path, repr(([dataclasses.replace(r, **stopped) for r in rows], best_epoch)))

    def sketch_confusion(path: Path, confusion: Counts, classes: Sequence[str], title: str) -> None:
        write_atomic(path, repr((confusion.tolist(), list(classes), title)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "draw_curves", sketch_curves)
        patch.setattr(pictures, "draw_confusion", sketch_confusion)
        yield
