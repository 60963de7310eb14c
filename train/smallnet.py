"""`small`: a residual network for 32 to 128 pixels that a CPU trains in seconds per epoch.

After ResNet-9 (D. Page, "How to train your ResNet", 2018, https://github.com/davidcpage/cifar10-fast).
A first convolution on full-size maps would cost more than all the rest, so pixels are folded
into channels first, without losing any (Shi et al. 2016, https://arxiv.org/abs/1609.05158,
backwards; as a stem in Ridnik et al. 2020, TResNet, https://arxiv.org/abs/2003.13630).
"""

from __future__ import annotations

import itertools

import torch
from torch import nn
from torch.nn import functional

WIDTHS = (32, 64, 128, 256)
"""Channels after the stem and after each of the three halvings."""


class SmallNet(nn.Module):
    """Logits (B, classes) of normalised float32 RGB (B, 3, H, W), for any H and W from 8 pixels."""

    def __init__(self, classes: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.factor = 4 if min(size) >= 64 else 2
        self.stem = ConvNorm(3 * self.factor**2, WIDTHS[0])
        stages = [
            (ConvNorm(inputs, outputs, halve=True), Residual(outputs))
            for inputs, outputs in itertools.pairwise(WIDTHS)
        ]
        self.body = nn.Sequential(*itertools.chain(*stages))
        self.head = nn.Linear(WIDTHS[-1], classes)
        self._initialise()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, 3, H, W) float32 -> (B, classes) float32."""
        folded = functional.pixel_unshuffle(self._pad(images), self.factor)
        maps = self.body(self.stem(folded.contiguous(memory_format=torch.channels_last)))
        logits: torch.Tensor = self.head(maps.mean(dim=(2, 3)))
        return logits

    def _pad(self, images: torch.Tensor) -> torch.Tensor:
        """Repeat the last row and column up to the next multiple of the folding factor."""
        below, right = -images.shape[2] % self.factor, -images.shape[3] % self.factor
        if below == 0 and right == 0:
            return images
        return functional.pad(images, (0, right, 0, below), mode="replicate")

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, Residual):
                # Each block starts as the identity (Goyal et al. 2017, section 5.1,
                # https://arxiv.org/abs/1706.02677).
                nn.init.zeros_(module.second.norm.weight)


class ConvNorm(nn.Module):
    """3x3 convolution, pooling where maps halve, batch normalisation and, unless told otherwise,
    ReLU: a quarter of the values to normalise."""

    def __init__(self, inputs: int, outputs: int, halve: bool = False, relu: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.halve = halve
        self.relu = relu

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(B, inputs, H, W) -> (B, outputs, H, W), or ceil(H / 2) and ceil(W / 2)."""
        maps = self.conv(maps)
        if self.halve:
            maps = functional.max_pool2d(maps, 2, ceil_mode=True)
        maps = self.norm(maps)
        return functional.relu(maps, inplace=True) if self.relu else maps


class Residual(nn.Module):
    """Two convolutions and a shortcut (He et al. 2016, https://arxiv.org/abs/1512.03385)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvNorm(channels, channels)
        self.second = ConvNorm(channels, channels, relu=False)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(B, channels, H, W) -> the same shape."""
        return functional.relu(maps + self.second(self.first(maps)))
