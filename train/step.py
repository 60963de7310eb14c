"""One optimiser step, and what comes before it: the device, and pixels made into numbers.

Batches arrive as uint8 0..255 RGB (B, 3, H, W) in channels_last memory and are normalised on the
device: (pixel / 255 - MEAN) / STD per channel, float32, channels_last.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import Optimizer

from augcli.manifests.errors import UsageError, unknown_name
from augcli.train.batch import Batch
from augcli.train.config import DEVICES
from augcli.train.residual import Mixed, mixed_loss
from augcli.train.world import ALONE, World

MEAN = (0.5, 0.5, 0.5)
STD = (0.25, 0.25, 0.25)
"""Per channel R, G, B of pixels in 0..1. Fixed, so that no statistics leak between splits; with
them inputs lie in -2..2, near enough to mean 0 and variance 1 for photographs."""

LABEL_SMOOTHING = 0.1
"""Szegedy et al. 2016, section 7, https://arxiv.org/abs/1512.00567."""


def choose_device(name: str, world: World = ALONE) -> torch.device:
    """`auto`, `cpu` or `cuda` -> a device; `auto` takes CUDA when there is one.

    Each rank of `world` on this machine has a CUDA device of its own.

    Raises:
        UsageError: an unknown name, `cuda` on a machine without it, or too few such devices.
    """
    if name not in DEVICES:
        raise unknown_name("device", name, DEVICES)
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UsageError(
            "--device cuda: torch sees no CUDA device here: use --device cpu, or install a torch "
            "with CUDA and check `nvidia-smi`"
        )
    if world.ranks == 1:
        return torch.device("cuda", torch.cuda.current_device())
    devices = torch.cuda.device_count()
    if world.local_ranks > devices:
        raise UsageError(
            f"{world.local_ranks} ranks on this machine, where torch sees {devices} CUDA devices: "
            f"use --nproc-per-node {devices}, or --device cpu"
        )
    return torch.device("cuda", world.local_rank)


def to_device(model: nn.Module, device: torch.device) -> nn.Module:
    """`model` itself, moved to `device`, its convolutions in channels_last memory."""
    return model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def normalise(images: torch.Tensor, device: torch.device) -> torch.Tensor:
    """(B, 3, H, W), 0..255 -> float32 on `device`, channels_last; `images` stay as they are."""
    pixels = images.to(device, non_blocking=True)
    pixels = pixels.to(torch.float32, memory_format=torch.channels_last, copy=True)
    scale = torch.tensor([1 / (255 * std) for std in STD], device=device).view(1, 3, 1, 1)
    shift = torch.tensor(
        [mean / std for mean, std in zip(MEAN, STD, strict=True)], device=device
    ).view(1, 3, 1, 1)
    return pixels.mul_(scale).sub_(shift)


@dataclass(frozen=True)
class StepOutcome:
    """What one step saw before it changed the weights."""

    loss: float
    """Mean cross-entropy over the batch, without smoothing, in nats: comparable to validation
    unless images are mixed. NaN or infinite if that of the smoothed loss is."""
    correct: int
    """Images recognised; of a mixed one, the image that has the larger share."""
    samples: int
    skipped: int = 0
    """Views that the batch lacks."""


Alter = Callable[[torch.Tensor, torch.Tensor], Mixed]
"""Fresh transforms of a batch on its device: (images uint8, labels) -> both altered."""


def train_step(
    model: nn.Module,
    optimizer: Optimizer,
    batch: Batch,
    device: torch.device,
    alter: Alter = Mixed,
) -> StepOutcome:
    """Change `model`, which is in train mode, by one step of `optimizer` on `batch`.

    `alter` comes between the batch and the model; as it stands, it changes nothing. Nor does a
    batch without a single view.

    Raises:
        FloatingPointError: the loss is NaN or infinite; the weights are as before, but the
            running statistics of batch normalisation aren't.
    """
    if not len(batch):
        return StepOutcome(0.0, 0, 0, len(batch.faults))
    outcome, loss = forward(model, batch, device, alter)
    if not math.isfinite(outcome.loss):
        raise FloatingPointError(f"the loss is {outcome.loss}")
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return outcome


def forward(
    model: nn.Module, batch: Batch, device: torch.device, alter: Alter = Mixed
) -> tuple[StepOutcome, torch.Tensor]:
    """Show `batch` to `model`: what came of it, and the mean loss to go down by."""
    images = batch.images.to(device, non_blocking=True)
    mixed = alter(images, batch.labels.to(device, non_blocking=True))
    logits = model(normalise(mixed.images, device))
    smoothed = mixed_loss(logits, mixed, LABEL_SMOOTHING)
    with torch.no_grad():
        plain = float(mixed_loss(logits, mixed, 0.0))
        correct = int((logits.argmax(dim=1) == mixed.main_labels).sum())
    if math.isfinite(plain) and not math.isfinite(smoothed.item()):
        plain = smoothed.item()
    return StepOutcome(plain, correct, len(batch), len(batch.faults)), smoothed
