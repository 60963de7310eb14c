"""Training a head on activations is training it on views, but each view is seen once."""

from __future__ import annotations

import dataclasses
import signal
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import pytest
import torch

from augcli.augment.config import ExpandConfig
from augcli.augment.expansion import expand
from augcli.manifests.errors import AugcliError, Interrupted, UsageError
from augcli.train import activations, heads
from augcli.train.checkpoint import load_checkpoint
from augcli.train.config import TrainConfig
from augcli.train.epoch import Progress
from augcli.train.feeding import MadeOnDevice
from augcli.train.finish import TrainResult
from augcli.train.run import train

pytestmark = pytest.mark.usefixtures("sketches")


@pytest.fixture(scope="module")
def rounds(split_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two stored rounds."""
    out = tmp_path_factory.mktemp("rounds") / "out"
    expand(ExpandConfig(data=str(split_photos), out=out, copies=1, size=16, workers=1))
    return out


def go(rounds: Path, out: Path, **more: Any) -> TrainResult:
    progress = more.pop("progress", None)
    config = TrainConfig(
        shards=str(rounds),
        epochs=3,
        batch_size=7,
        freeze_to=-1,
        residual="none",
        workers=0,
        device="cpu",
        out=out,
    )
    return train(dataclasses.replace(config, **more), progress=progress)


def test_it_trains_as_on_views_and_sees_each_view_once(
    rounds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    original = heads.Backbone.__call__

    def counted(self: heads.Backbone, images: torch.Tensor) -> torch.Tensor:
        seen.append(len(images))
        return original(self, images)

    averaged = {"ema": 0.5, "swa_start": 0.3}
    on_views = go(rounds, tmp_path / "views", freeze_bn="frozen", **averaged)
    monkeypatch.setattr(heads.Backbone, "__call__", counted)
    cached = go(rounds, tmp_path / "cached", precompute=True, **averaged)
    samples = cached.record["samples"]
    assert sum(seen) == 2 * samples["train"] + samples["validation"]
    for ours, other in zip(cached.rows, on_views.rows, strict=True):
        assert ours.train_loss == pytest.approx(other.train_loss, rel=1e-4)
        assert ours.val_loss == pytest.approx(other.val_loss, rel=1e-4)
    for measured in (("test",), ("swa", "validation")):
        ours, other = (reduce(getitem, measured, run.record) for run in (cached, on_views))
        assert ours["loss"] == pytest.approx(other["loss"], rel=1e-4)
    models = [load_checkpoint(tmp_path / run / "last.pt").model for run in ("views", "cached")]
    for key, value in models[0].items():
        torch.testing.assert_close(models[1][key], value, msg=key)


def test_it_goes_on_in_mid_epoch_to_the_last_bit(rounds: Path, tmp_path: Path) -> None:
    def stop(step: Progress) -> None:
        if (step.epoch, step.batch) == (3, 1):
            signal.raise_signal(signal.SIGINT)

    whole = go(rounds, tmp_path / "whole", precompute=True)
    with pytest.raises(Interrupted):
        go(rounds, tmp_path / "cut", precompute=True, progress=stop)
    resumed = go(rounds, tmp_path / "cut", precompute=True, resume=True)
    losses = [[(row.train_loss, row.val_loss) for row in run.rows] for run in (whole, resumed)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"freeze_to": 0}, "layers that learn are out of date.*--freeze-to -1"),
        ({"freeze_to": 2}, "layers that learn"),
        ({"residual": "flip"}, "--residual makes other views"),
        ({"source": "on-the-fly"}, "--precompute: views made on the fly never come again"),
    ],
)
def test_what_can_not_be_precomputed(
    rounds: Path, tmp_path: Path, options: dict[str, Any], match: str
) -> None:
    with pytest.raises(UsageError, match=match):
        go(rounds, tmp_path / "run", precompute=True, **options)


def test_too_many_activations_for_memory_are_told(rounds: Path, tmp_path: Path) -> None:
    with pytest.raises(AugcliError, match=r"--precompute: the activations of 2 rounds take .* MB"):
        go(rounds, tmp_path / "run", precompute=True, memory="100")


def test_all_batches_of_a_kept_round_are_those_of_its_source(rounds: Path) -> None:
    from augcli.train.sources import open_sources

    config = TrainConfig(shards=str(rounds), epochs=9, batch_size=7, workers=0)
    sources = open_sources(config, "cpu").sources

    class Sums:
        device = torch.device("cpu")

        def __call__(self, images: torch.Tensor) -> torch.Tensor:
            return images.float().sum((2, 3))

    made = activations.Activations(sources.train, Sums(), Sums.device, 10**6)  # type: ignore[arg-type]
    assert isinstance(made, MadeOnDevice)
    for epoch in (0, 1, 2, 5):
        batches = list(made.batches(epoch, start=1))
        expected = list(sources.train.batches(epoch, start=1))
        for ours, other in zip(batches, expected, strict=True):
            assert ours.keys == other.keys and ours.number == other.number
            assert torch.equal(ours.labels, other.labels)
            assert torch.equal(ours.images, other.images.float().sum((2, 3)))
    made.close()
