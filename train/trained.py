"""A trained model as a checkpoint has it: how it is rebuilt, and how it sees images.

The only place that knows both, for whatever measures models after training.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from augcli.manifests.errors import UsageError
from augcli.train.checkpoint import Checkpoint, damaged, load_checkpoint
from augcli.train.forward import Forward
from augcli.train.models import Size, build_model
from augcli.train.record import RunFolder
from augcli.train.restoring import channels_of
from augcli.train.step import to_device


@dataclass(frozen=True)
class Trained:
    """A model in evaluation mode, and the record of its training."""

    model: nn.Module
    forward: Forward
    """In float32, whatever it was trained in."""
    checkpoint: Checkpoint
    path: Path
    """The checkpoint's file."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Their names, by label."""
        return tuple(self.checkpoint.classes)

    @property
    def size(self) -> Size:
        """(height, width) of its images in pixels."""
        height, width = self.checkpoint.size
        return height, width

    @property
    def source(self) -> dict[str, Any]:
        """The record of the data that it was trained on."""
        recorded: dict[str, Any] = self.checkpoint.identity["source"]
        return recorded

    @property
    def run(self) -> RunFolder:
        """The folder that the checkpoint is in."""
        return RunFolder(self.path.parent)

    def logits(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 RGB (B, 3, H, W), 0..255 -> float32 (B, classes), on the model's device."""
        return self.forward(self.model, images)


def load_trained(path: Path, device: torch.device) -> Trained:
    """The model of a run's folder (`best.pt`), or of a checkpoint's file, on `device`.

    Raises:
        UsageError: there is neither.
        AugcliError: the checkpoint is damaged.
    """
    file = _checkpoint_file(path)
    checkpoint = load_checkpoint(file)
    try:
        config = checkpoint.identity["config"]
        model = build_model(
            config["model"],
            len(checkpoint.classes),
            (checkpoint.size[0], checkpoint.size[1]),
            seed=0,  # its weights are about to come
            stem=config["stem"],
        )
        model.load_state_dict(checkpoint.model)
        forward = Forward(device, channels_of("mean", checkpoint), channels_of("std", checkpoint))
        if not isinstance(checkpoint.identity["source"], dict):
            raise TypeError("it does not say what it was trained on")
    except Exception as error:  # arbitrary content can fail in any way
        raise damaged(file, error) from error
    model = to_device(model, device).eval().requires_grad_(False)
    return Trained(model, forward, checkpoint, file)


def _checkpoint_file(path: Path) -> Path:
    file = RunFolder(path).best if path.is_dir() else path
    if not file.is_file():
        raise UsageError(
            f"{path}: no trained model here: expected a folder made by augcli train, with "
            f"{RunFolder(path).best.name} in it, or a checkpoint's file"
        )
    return file
