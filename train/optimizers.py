"""Optimisers by name, with their default learning rate and weight decay in one place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from augcli.manifests.errors import UsageError, unknown_name
from augcli.train.config import AUTO, TrainConfig
from augcli.train.group_rates import parse_lrs
from augcli.train.layer_groups import LayerGroup, input_kernel, is_kernel
from augcli.train.muon import Muon

Group = dict[str, Any]
"""`params`, `lr`, `peak_lr` and `weight_decay` of some of a model's parameters; for `muon` also
`muon`: whether it is that, or AdamW, which changes them."""


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


def _muon(groups: list[Group]) -> Optimizer:
    """Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/, and AdamW for the rest."""
    return Muon(groups)


@dataclass(frozen=True)
class Method:
    """How to make one optimiser, and what it gets where the user says nothing."""

    make: Callable[[list[Group]], Optimizer]
    lr: float
    """Default peak learning rate."""
    weight_decay: float
    """Default weight decay: an L2 penalty on the loss, or decoupled in adamw and muon."""
    orthogonal: bool = False
    """Whether hidden kernels are changed otherwise than what comes before and after them."""


# Learning rates from a coarse scan of `small` on 239 galaxies and 500 photographs of clothes at 96
# pixels: a few rates, one or two seeds, 20 to 30 epochs. Neighbours were mostly as good. Muon's
# are for batches of 64: four times its authors' rate (https://github.com/KellerJordan/Muon), which
# learns faster from few images, and a decay that keeps weights from growing away from it.
OPTIMIZERS: dict[str, Method] = {
    "sgd": Method(_sgd, lr=0.1, weight_decay=5e-4),
    "adam": Method(_adam, lr=0.002, weight_decay=1e-4),
    "adamw": Method(_adamw, lr=0.003, weight_decay=0.05),
    "rmsprop": Method(_rmsprop, lr=0.001, weight_decay=1e-4),
    "muon": Method(_muon, lr=0.08, weight_decay=0.2, orthogonal=True),
}

ADAMW_SHARE = 0.075
"""Learning rate of what muon leaves to AdamW, as a part of muon's."""


def optimiser_of(config: TrainConfig) -> str:
    """The name of the optimiser that a run has.

    Weights that AdamW or SGD has found are best changed a little by what is like those.
    """
    if config.opt != AUTO:
        return config.opt
    return "muon" if config.weights is None else "adamw"


def method_by_name(name: str) -> Method:
    """Raises: UsageError: an unknown name."""
    if name not in OPTIMIZERS:
        raise unknown_name("optimiser", name, OPTIMIZERS)
    return OPTIMIZERS[name]


def resolve_lr(name: str, lr: float | str | None, lrs: str | None = None) -> float:
    """The head's peak learning rate: `lr`, the last of `lrs`, or the default of the optimiser.

    Raises:
        UsageError: an unknown optimiser, both rates, rates that are none, or a rate that is yet
            to be found (`auto`).
    """
    if lrs is not None:
        if lr is not None:
            raise UsageError("--lr and --lrs: the last of --lrs is the head's: give one of both")
        return parse_lrs(lrs)[-1]
    if isinstance(lr, str):
        raise UsageError(f"--lr {lr}: expected a number here")
    return method_by_name(name).lr if lr is None else lr


def resolve_weight_decay(name: str, weight_decay: float | None) -> float:
    """`weight_decay`, or the default of the optimiser `name`."""
    return method_by_name(name).weight_decay if weight_decay is None else weight_decay


def parameter_groups(
    model: nn.Module,
    lr: float,
    weight_decay: float,
    layers: Sequence[LayerGroup] | None = None,
    rates: Sequence[float] | None = None,
    opt: str | None = None,
) -> list[Group]:
    """Matrices and kernels, which decay, and norms, biases, tokens and position embeddings, which
    don't; each apart for each of `layers`, from the stem on, with its own peak of `rates`.

    Shrinking a bias or the scale of a norm regularises nothing (He et al. 2019, "Bag of tricks",
    section 3.1, https://arxiv.org/abs/1812.01187). Frozen parameters are in none. Without `layers`
    the model is one, and without `rates` all have `lr`. The optimiser `opt` needs to be told only
    if it is one that treats hidden kernels apart, as muon does, for which `layers` must be given.
    """
    orthogonal = opt is not None and method_by_name(opt).orthogonal
    if layers is None:
        if orthogonal:
            raise ValueError(f"{opt} must be told the layers, to know stem and head")
        layers = [LayerGroup("all", (model,), tuple(model.named_parameters()))]
    rates = [lr] * len(layers) if rates is None else rates
    hidden = _hidden_kernels(layers) if orthogonal else set()
    groups: list[Group] = []
    for layer, rate in zip(layers, rates, strict=True):
        other_rate = rate * ADAMW_SHARE if orthogonal else rate
        apart, kernels, exempt = _sorted_parameters(layer, hidden)
        groups += [
            {"params": apart, "peak_lr": rate, "weight_decay": weight_decay},
            {"params": kernels, "peak_lr": other_rate, "weight_decay": weight_decay},
            {"params": exempt, "peak_lr": other_rate, "weight_decay": 0.0},
        ]
        if orthogonal:
            for group, muon in zip(groups[-3:], (True, False, False), strict=True):
                group["muon"] = muon
    return [{**group, "lr": group["peak_lr"]} for group in groups if group["params"]]


def _hidden_kernels(layers: Sequence[LayerGroup]) -> set[str]:
    """All but those of the head, and one that makes tokens of patches, which is an embedding."""
    kernels = {
        name
        for layer in layers[:-1]
        for name, parameter in layer.named_parameters
        if is_kernel(name, parameter)
    }
    first = input_kernel(layers)
    return kernels - {first} if _embeds_patches(layers, first) else kernels


def _embeds_patches(layers: Sequence[LayerGroup], name: str) -> bool:
    """Whether a kernel sees every pixel once."""
    kernel = next(value for layer in layers for key, value in layer.named_parameters if key == name)
    modules = (each for layer in layers for module in layer.modules for each in module.modules())
    return any(
        isinstance(each, nn.Conv2d) and each.weight is kernel and each.stride == each.kernel_size
        for each in modules
    )


def _sorted_parameters(
    layer: LayerGroup, hidden: set[str]
) -> tuple[list[nn.Parameter], list[nn.Parameter], list[nn.Parameter]]:
    """Those that are trained: kernels in `hidden`, other kernels, all else."""
    apart: list[nn.Parameter] = []
    kernels: list[nn.Parameter] = []
    exempt: list[nn.Parameter] = []
    for name, parameter in layer.named_parameters:
        if not parameter.requires_grad:
            continue
        if name in hidden:
            apart.append(parameter)
        elif is_kernel(name, parameter):
            kernels.append(parameter)
        else:
            exempt.append(parameter)
    return apart, kernels, exempt


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


def clip_gradients(optimizer: Optimizer, max_norm: float, finite: bool = True) -> float:
    """Shrink all gradients alike, so that together they are no longer than `max_norm`.

    Pascanu et al. 2013, https://arxiv.org/abs/1211.5063. Call it between backward and step.

    Returns:
        The Euclidean norm over all parameters, before.

    Raises:
        FloatingPointError: it is NaN or infinite, where `finite` ones are expected; gradients and
            weights are as before.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    try:
        norm = nn.utils.clip_grad_norm_(parameters, max_norm, error_if_nonfinite=finite)
    except RuntimeError as error:
        raise FloatingPointError("the norm of the gradients is NaN or infinite") from error
    return norm.item()
