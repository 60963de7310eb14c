"""A model cut before its head: what comes before it makes features, and the head judges them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from augcli.manifests.errors import UsageError
from augcli.train.evaluate import evaluating
from augcli.train.forward import Forward
from augcli.train.layer_groups import LayerGroup
from augcli.train.models import Size


class Head(nn.Module):
    """Logits (B, classes) of what comes before a model's head, with the model's own layers.

    A dropout right before the head belongs to it: it draws anew in each step.
    """

    def __init__(self, model: nn.Module, groups: tuple[LayerGroup, ...]) -> None:
        """`groups` are the model's `layer_groups`."""
        super().__init__()
        self.layers = nn.Sequential(*_from_head(model, groups[-1]))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Of maps, as SqueezeNet's head makes, the means are left."""
        logits: torch.Tensor = self.layers(features)
        return logits.flatten(1)


class Backbone:
    """What comes before the head of a frozen model, as it is in evaluation."""

    def __init__(self, model: nn.Module, head: Head, forward: Forward, size: Size) -> None:
        """`size` is that of the images, (height, width) in pixels."""
        self.device = forward.device
        self._model = model
        self._first = head.layers[0]
        self._forward = forward
        self._check(head, size)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Features, float32, of `images` (B, 3, H, W) with values 0..255."""
        seen: list[torch.Tensor] = []
        self._run(images, seen)
        return seen[-1].detach().float()

    def _run(self, images: torch.Tensor, seen: list[torch.Tensor]) -> torch.Tensor:
        def look(module: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
            seen.append(given[0])

        hook = self._first.register_forward_pre_hook(look)
        try:
            with evaluating(self._model), torch.no_grad():
                return self._forward(self._model, images)
        finally:
            hook.remove()

    def _check(self, head: Head, size: Size) -> None:
        """The head makes of the features what the model makes of the images."""
        height, width = size
        images = torch.arange(2 * 3 * height * width).view(2, 3, height, width) % 251
        seen: list[torch.Tensor] = []
        logits = self._run(images.to(torch.uint8), seen)
        with evaluating(head), torch.no_grad():
            same = torch.allclose(head(seen[-1]).float(), logits, rtol=1e-2, atol=1e-3)
        if not same:
            raise UsageError(
                "--precompute: this model does more after its head than can be told apart: train "
                "without it"
            )


class Features(Forward):
    """Features are shown to a head as they are."""

    def __call__(self, model: nn.Module, images: torch.Tensor) -> torch.Tensor:
        """Logits, float32 (B, classes), of features in the place of images."""
        logits: torch.Tensor = model(images.to(self.device, non_blocking=True))
        return logits


def _from_head(model: nn.Module, group: LayerGroup) -> Iterator[nn.Module]:
    """The head, a dropout before it, and what follows it in the same sequence."""
    [head] = group.modules
    parent = next(m for m in model.modules() if any(child is head for child in m.children()))
    if not isinstance(parent, nn.Sequential):
        dropout = getattr(parent, "dropout", None)
        yield from ([dropout] if isinstance(dropout, nn.Dropout) else [])
        yield head
        return
    layers = list(parent)
    first = layers.index(head)
    while first and isinstance(layers[first - 1], nn.Dropout):
        first -= 1
    yield from layers[first:]
