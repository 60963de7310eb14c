"""Progressive resizing: which images and batches a step sees, and that resuming changes nothing."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from augcli.manifests.errors import AugcliError, UsageError
from augcli.train.checkpoint import load_checkpoint
from augcli.train.forward import Forward, resized
from augcli.train.models import MODELS
from augcli.train.schedules.registry import build_schedule

TWO = {"sizes": "8,16", "size_batches": "auto", "size_epochs": "1,2", "sched": "cosine"}


def test_resized_pixels_are_means_of_what_they_stand_for() -> None:
    rows = torch.arange(16, dtype=torch.uint8).repeat_interleave(16).view(1, 1, 16, 16) * 10
    images = rows.expand(2, 3, 16, 16).contiguous(memory_format=torch.channels_last)
    small = resized(images, 8)
    assert (small.dtype, small.shape) == (torch.float32, (2, 3, 8, 8))
    inner = small[0, 0, 1:-1, 0]
    assert torch.allclose(inner, torch.arange(1, 7) * 20.0 + 5.0, atol=1e-4)
    assert resized(images, 16) is images
    stripes = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    stripes[..., ::2] = 200
    assert (resized(stripes, 4) - 100).abs().max() < 30  # nothing of them is left to alias


def test_a_model_is_shown_images_of_the_size_asked_for() -> None:
    images = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    seen: list[torch.Size] = []

    class Looking(torch.nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            seen.append(pixels.shape)
            return pixels.mean((2, 3))

    forward = Forward(torch.device("cpu"))
    plain = forward(Looking(), images)
    small = dataclasses.replace(forward, size=8)(Looking(), images)
    assert [shape[2:] for shape in seen] == [(16, 16), (8, 8)]
    assert torch.allclose(plain, small, atol=0.05)


def test_each_stage_has_its_images_batches_and_stretch_of_the_schedule(
    runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """28 samples: an epoch of one batch of 32 at 8 pixels, then two of four batches at 16."""
    shown: list[tuple[bool, int, int]] = []
    call = Forward.__call__

    def watched(self: Forward, model: Any, images: torch.Tensor) -> torch.Tensor:
        shown.append((model.training, len(images), self.size or 0))
        return call(self, model, images)

    monkeypatch.setattr(Forward, "__call__", watched)
    result = runs.train("whole", **TWO)
    trained = [(count, size) for training, count, size in shown if training]
    assert trained == [(28, 8), *2 * [(8, 16), (8, 16), (8, 16), (4, 16)]]
    assert {size for training, _, size in shown if not training} == {16}
    assert [(row.size, row.batch_size) for row in result.rows] == [(8, 32), (16, 8), (16, 8)]
    schedule = build_schedule(dataclasses.replace(runs.config, sched="cosine"), 4)
    rates = [0.005 * schedule.factor(step) for step in (3, 7, 11)]
    assert [row.lr for row in result.rows] == pytest.approx(rates)
    assert result.record["steps"] == 9


def test_what_resamples_anyway_does_so_at_once_to_the_size_of_the_stage(
    runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[int, int]] = []
    call = Forward.__call__

    def watched(self: Forward, model: Any, images: torch.Tensor) -> torch.Tensor:
        if model.training:
            given.append((images.shape[2], self.size or 0))
        return call(self, model, images)

    monkeypatch.setattr(Forward, "__call__", watched)
    runs.train("whole", **TWO, residual="affine", swa_start=0.5)
    assert set(given) == {(8, 8), (16, 16)}


@pytest.mark.parametrize(
    "more",
    [TWO, {**TWO, "sizes": "8,12", "residual": "flip,cutmix"}, {**TWO, "sched": "plateau"}],
    ids=["all of it", "smaller than the dataset", "plateau"],
)
def test_resumed_is_as_never_interrupted(runs: Any, more: dict[str, Any]) -> None:
    runs.train("whole", **more)
    runs.in_pieces("pieces", [(1, 1), (2, 1), (2, 3), (3, 4)], **more)
    runs.assert_same("pieces", "whole")
    size = int(str(more["sizes"]).split(",")[1])
    assert load_checkpoint(runs.folder("whole") / "best.pt").size == [size, size]


def test_one_size_as_large_as_the_dataset_is_no_stage_at_all(runs: Any) -> None:
    runs.train("plain")
    runs.train("one", sizes="16")
    plain, one = (load_checkpoint(runs.folder(name) / "last.pt") for name in ("plain", "one"))
    for name, tensor in plain.model.items():
        assert torch.equal(tensor, one.model[name])


def test_what_no_model_can_take_is_said_before_anything_is_made(
    runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Picky(torch.nn.Linear):
        def __init__(self, classes: int, size: tuple[int, int]) -> None:
            super().__init__(3 * size[0] * size[1], classes)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images.flatten(1))

    monkeypatch.setitem(MODELS, "picky", Picky)
    with pytest.raises(UsageError, match="the images of this dataset have 16 pixels"):
        runs.train("run", sizes="8,32")
    with pytest.raises(UsageError, match="model 'picky' can't take images of 8x8"):
        runs.train("run", model="picky", sizes="8,16")
    assert not runs.folder("run").exists()


def test_a_checkpoint_of_other_epochs_is_damaged(runs: Any) -> None:
    with pytest.raises(AugcliError, match="stopped by SIGINT"):
        runs.train("run", stop_at=(2, 1), **TWO)
    path = runs.folder("run") / "last.pt"
    for name, value, said in (
        ("marks", [0, 1, 2], r"marks are \[0, 1, 2\] instead of \[0, 4, 8, 12\]"),
        ("spent_seconds", float("nan"), "spent_seconds is nan"),
        ("batch", 5, "batch is 5 instead of 0 to 4"),
    ):
        whole = torch.load(path, weights_only=True)
        torch.save({**whole, name: value}, path)
        with pytest.raises(AugcliError, match=said):
            runs.train("run", resume=True, **TWO)
        torch.save(whole, path)
