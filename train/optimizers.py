"""Optimisers by name, with their default learning rate and weight decay in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from augcli.manifests.errors import unknown_name

Group = dict[str, Any]
"""`params`, `lr`, `peak_lr` and `weight_decay` of some of a model's parameters."""


def _sgd(groups: list[Group]) -> Optimizer:
    """Nesterov momentum (Sutskever et al. 2013, https://proceedings.mlr.press/v28/sutskever13.html)."""
    return torch.optim.SGD(groups, lr=0.0, momentum=0.9, nesterov=True)


def _adam(groups: list[Group]) -> Optimizer:
    """Kingma and Ba 2015, https://arxiv.org/abs/1412.6980; weight decay is an L2 penalty."""
    return torch.optim.Adam(groups, lr=0.0)


def _adamw(groups: list[Group]) -> Optimizer:
    """Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101: decay apart from gradients."""
    return torch.optim.AdamW(groups, lr=0.0)


def _rmsprop(groups: list[Group]) -> Optimizer:
    """Tieleman and Hinton 2012, lecture 6.5 of "Neural networks for machine learning"."""
    return torch.optim.RMSprop(groups, lr=0.0)


@dataclass(frozen=True)
class Method:
    """How to make one optimiser, and what it gets where the user says nothing."""

    make: Callable[[list[Group]], Optimizer]
    lr: float
    """Default peak learning rate."""
    weight_decay: float
    """Default weight decay: an L2 penalty on the loss, or decoupled in adamw."""


# Learning rates from a coarse scan of `small` on 239 galaxies and 500 photographs of clothes at 96
# pixels: a few rates, one or two seeds, 20 to 30 epochs. Neighbours were mostly as good.
OPTIMIZERS: dict[str, Method] = {
    "sgd": Method(_sgd, lr=0.1, weight_decay=5e-4),
    "adam": Method(_adam, lr=0.002, weight_decay=1e-4),
    "adamw": Method(_adamw, lr=0.003, weight_decay=0.05),
    "rmsprop": Method(_rmsprop, lr=0.001, weight_decay=1e-4),
}


def method_by_name(name: str) -> Method:
    """Raises: UsageError: an unknown name."""
    if name not in OPTIMIZERS:
        raise unknown_name("optimiser", name, OPTIMIZERS)
    return OPTIMIZERS[name]


def resolve_lr(name: str, lr: float | None) -> float:
    """`lr`, or the default peak learning rate of the optimiser `name`."""
    return method_by_name(name).lr if lr is None else lr


def resolve_weight_decay(name: str, weight_decay: float | None) -> float:
    """`weight_decay`, or the default of the optimiser `name`."""
    return method_by_name(name).weight_decay if weight_decay is None else weight_decay


def parameter_groups(model: nn.Module, lr: float, weight_decay: float) -> list[Group]:
    """Matrices and kernels, which decay, and norms and biases (one dimension), which don't.

    Shrinking a bias or the scale of a norm regularises nothing (He et al. 2019, "Bag of tricks",
    section 3.1, https://arxiv.org/abs/1812.01187). Frozen parameters are in neither.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    parts = (
        (weight_decay, [parameter for parameter in trained if parameter.ndim > 1]),
        (0.0, [parameter for parameter in trained if parameter.ndim <= 1]),
    )
    return [
        {"params": params, "lr": lr, "peak_lr": lr, "weight_decay": decay}
        for decay, params in parts
        if params
    ]


def build_optimizer(name: str, groups: list[Group]) -> Optimizer:
    """The optimiser `name` over `groups`, as made by `parameter_groups`.

    Raises:
        UsageError: an unknown name.
    """
    return method_by_name(name).make(groups)


def set_lr(optimizer: Optimizer, factor: float) -> None:
    """Give each group `factor` (0..1, from a schedule) times its own `peak_lr`."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * factor
