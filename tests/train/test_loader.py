"""Loading: what goes wrong in a view or a loader process becomes one clear line."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from augcli.augment.decode import Pixels
from augcli.manifests.errors import AugcliError
from augcli.train import sources as sources_module
from augcli.train.checkpoint import load_checkpoint
from augcli.train.config import TrainConfig
from augcli.train.epoch import Progress
from augcli.train.loader import BatchLoader
from augcli.train.run import train
from augcli.train.views import FreshViews, Labelled

SAMPLES = Labelled(("a", "b", "c", "d"), np.array([0, 1, 0, 1]))


class Failing:
    """Views of which one raises what no view should."""

    def read(self, sample: int, epoch: int) -> Pixels:
        if sample == 2:
            raise ZeroDivisionError("no such angle")
        return np.zeros((8, 8, 3), np.uint8)


@pytest.fixture(params=[0, 1])
def failing(request: pytest.FixtureRequest) -> Iterator[BatchLoader]:
    loader = BatchLoader(
        Failing(), SAMPLES, size=8, batch_size=2, seed=0, shuffled=False, workers=request.param
    )
    yield loader
    loader.close()


def test_a_view_that_raises_is_named(failing: BatchLoader) -> None:
    batches = failing.batches(4)
    assert next(batches).keys == ("a", "b")
    with pytest.raises(AugcliError, match=r"the view of c in epoch 5 .*ZeroDivisionError: no such"):
        next(batches)


class Deadly(FreshViews):
    """Views whose loader process is killed in the second epoch, as for want of memory."""

    def read(self, sample: int, epoch: int) -> Pixels:
        if epoch == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(sample, epoch)


def test_a_killed_loader_process_keeps_the_checkpoint(
    split_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources_module, "FreshViews", Deadly)
    out = tmp_path / "run"
    config = TrainConfig(
        data=str(split_photos), size=16, epochs=3, workers=1, out=out, device="cpu"
    )
    steps: list[Progress] = []
    with pytest.raises(AugcliError) as failed:
        train(config, progress=steps.append)
    message = str(failed.value)
    assert "a loader process was killed" in message and "--workers" in message
    assert f"--out {out} --resume" in message
    assert {step.epoch for step in steps} == {1}
    assert load_checkpoint(out / "last.pt").epoch == 1
