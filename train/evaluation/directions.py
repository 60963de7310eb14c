"""Random directions in the space of weights, and models moved along them.

Li, Xu, Taylor, Studer and Goldstein 2018, "Visualizing the Loss Landscape of Neural Nets",
https://arxiv.org/abs/1712.09913, section 4. As in their code, tensors of one dimension (biases,
and the weights of normalisation) don't move.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import nn

Direction = Mapping[str, torch.Tensor]
"""A tensor of the parameter's shape for each parameter that moves, by name."""


def gaussian_directions(model: nn.Module, count: int, seed: int) -> list[Direction]:
    """Draws from the standard normal distribution, on the CPU.

    A function of the shapes of `model`'s parameters, `count` and `seed`: two runs of one model
    have the same.
    """
    generator = torch.Generator().manual_seed(seed)
    return [
        {
            name: torch.randn(parameter.shape, generator=generator)
            for name, parameter in model.named_parameters()
            if parameter.dim() > 1
        }
        for _ in range(count)
    ]


def filter_normalised(direction: Direction, model: nn.Module) -> Direction:
    """`direction`, each filter of it (row of the first axis) as long as the model's own filter.

    On the model's device. So a step means the same to large and to small weights, which batch
    normalisation makes equal.
    """
    parameters = dict(model.named_parameters())
    scaled = {}
    for name, drawn in direction.items():
        weights = parameters[name].detach()
        drawn = drawn.to(weights)
        axes = tuple(range(1, weights.dim()))
        wanted = torch.linalg.vector_norm(weights, dim=axes, keepdim=True)
        length = torch.linalg.vector_norm(drawn, dim=axes, keepdim=True)
        scaled[name] = drawn * (wanted / length.clamp_min(1e-10))
    return scaled


@contextmanager
def moved(
    model: nn.Module, directions: Sequence[Direction], steps: Sequence[float]
) -> Iterator[None]:
    """Within `with`, `model` is that many steps away along each of the directions."""
    parameters = dict(model.named_parameters())
    before = {name: parameters[name].detach().clone() for name in directions[0]}
    try:
        with torch.no_grad():
            for name in before:
                for direction, step in zip(directions, steps, strict=True):
                    parameters[name].add_(direction[name], alpha=step)
        yield
    finally:
        with torch.no_grad():
            for name, weights in before.items():
                parameters[name].copy_(weights)
