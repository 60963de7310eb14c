"""How a model is shown a batch: on which device, normalised how, and in which precision.

Batches arrive as uint8 0..255 RGB (B, 3, H, W) in channels_last memory and are normalised on the
device: (pixel / 255 - mean) / std per channel, float32, channels_last.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from augcli.manifests.errors import UsageError, unknown_name
from augcli.train.config import PRECISIONS

Channels = tuple[float, float, float]
"""R, G and B."""

MEAN: Channels = (0.5, 0.5, 0.5)
STD: Channels = (0.25, 0.25, 0.25)
"""Of pixels in 0..1. Fixed, so that no statistics leak between splits; with them inputs lie in
-2..2, near enough to mean 0 and variance 1 for photographs. Pre-trained weights have their own."""

CPU_FLAGS = Path("/proc/cpuinfo")
BF16_FLAGS = ("avx512_bf16", "amx_bf16", "bf16")
"""Instructions for bfloat16, as Linux names them; without them it is slower than float32."""


@dataclass(frozen=True)
class Forward:
    """From pixels to logits."""

    device: torch.device
    mean: Channels = MEAN
    std: Channels = STD
    dtype: torch.dtype | None = None
    """What matrices are multiplied in (torch's autocast); None: float32."""
    size: int | None = None
    """Pixels that images are made high and wide before all else; None: they stay as they come."""

    def __call__(self, model: nn.Module, images: torch.Tensor) -> torch.Tensor:
        """Logits, float32 (B, classes), of `images`, (B, 3, H, W) with values 0..255."""
        if self.size is not None:
            images = resized(images.to(self.device, non_blocking=True), self.size)
        pixels = normalise(images, self.device, self.mean, self.std)
        if self.dtype is None:
            logits: torch.Tensor = model(pixels)
            return logits
        with torch.autocast(self.device.type, self.dtype):
            logits = model(pixels)
        return logits.float()


def resized(images: torch.Tensor, size: int) -> torch.Tensor:
    """(B, 3, H, W), 0..255 -> (B, 3, size, size) float32, smaller or the same: never less sharp
    than it must be, nor aliased (a triangle filter as wide as a new pixel's share of the old ones).
    """
    if images.shape[2:] == (size, size):
        return images
    pixels = images.to(torch.float32)
    return functional.interpolate(pixels, (size, size), mode="bilinear", antialias=True)


def normalise(
    images: torch.Tensor, device: torch.device, mean: Channels = MEAN, std: Channels = STD
) -> torch.Tensor:
    """(B, 3, H, W), 0..255 -> float32 on `device`, channels_last; `images` stay as they are."""
    pixels = images.to(device, non_blocking=True)
    pixels = pixels.to(torch.float32, memory_format=torch.channels_last, copy=True)
    scale = torch.tensor([1 / (255 * each) for each in std], device=device).view(1, 3, 1, 1)
    shift = torch.tensor([m / s for m, s in zip(mean, std, strict=True)], device=device)
    return pixels.mul_(scale).sub_(shift.view(1, 3, 1, 1))


def choose_precision(name: str, device: torch.device) -> torch.dtype | None:
    """`auto`, `fp32`, `bf16` or `fp16` -> what to multiply in; None is float32.

    `auto` takes bfloat16 where `device` has instructions for it, and float32 elsewhere.

    Raises:
        UsageError: an unknown name.
    """
    if name not in PRECISIONS:
        raise unknown_name("precision", name, PRECISIONS)
    if name == "auto":
        return torch.bfloat16 if _has_bf16(device) else None
    if name == "fp16" and device.type == "cpu":
        raise UsageError("--precision fp16: for GPUs; on a CPU use bf16 or fp32")
    return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[name]


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if platform.system() != "Linux":
        return False
    try:
        flags = CPU_FLAGS.read_text().split()
    except OSError:
        return False
    return any(flag in flags for flag in BF16_FLAGS)
