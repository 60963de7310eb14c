"""Layer groups of every network: nothing twice, nothing lost, in the order of the forward pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from augcli.train import models
from augcli.train.layer_groups import LayerGroup, input_kernel, is_kernel, layer_groups
from augcli.train.models import build_model, model_names

CLASSES = 7

STAGES = {
    "small": 3,
    "alexnet": 3,
    "densenet": 4,
    "mnasnet": 4,
    "mobilenet_v2": 5,
    "mobilenet_v3_large": 5,
    "efficientnet": 5,
    "shufflenet": 3,
    "squeezenet": 3,
    "vgg": 5,
}
"""Between stem and head: where it is not 4."""


@contextmanager
def no_initial_values() -> Iterator[None]:
    """Parameters on torch's meta device, which costs neither memory nor random numbers."""
    empty = torch.empty
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "empty", lambda *a, **k: empty(*a, **{**k, "device": "meta"}))
        for name in dir(nn.init):
            if name.endswith("_") and not name.startswith("_"):
                patch.setattr(nn.init, name, lambda tensor, *a, **k: tensor)
        yield


KEEP_THE_SHAPE = {
    *(functional.batch_norm, functional.layer_norm, functional.dropout, functional.relu),
    *(functional.silu, functional.gelu, functional.hardswish, functional.hardsigmoid),
}
"""What need not be computed to find out what comes next."""


class FirstUse(TorchFunctionMode):
    """Notes in which order tensors are first given to a function of torch."""

    def __init__(self, names: dict[int, str]) -> None:
        super().__init__()
        self.names = names
        self.order: list[str] = []

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        for value in [*args, *(kwargs or {}).values()]:
            name = self.names.get(id(value))
            # Reading an attribute is no use.
            if name is not None and getattr(function, "__name__", "") != "__get__":
                self.order.append(name)
                del self.names[id(value)]
        if function in KEEP_THE_SHAPE:
            return args[0]
        return function(*args, **(kwargs or {}))


def hollow(name: str) -> nn.Module:
    with no_initial_values():
        return models._build(name, CLASSES, (224, 224))


def order_of_use(model: nn.Module) -> list[str]:
    tensors: dict[str, torch.Tensor] = {
        **dict(model.named_parameters()),
        **dict(model.named_buffers()),
    }
    stand_ins = {key: torch.empty_like(tensor, device="meta") for key, tensor in tensors.items()}
    names = {id(stand_ins[key]): key for key, _ in model.named_parameters()}
    with FirstUse(names) as used:
        functional_call(model.eval(), stand_ins, (torch.empty(2, 3, 224, 224, device="meta"),))
    return used.order


@pytest.mark.parametrize("name", model_names())
def test_each_parameter_is_in_one_group_and_groups_follow_the_forward_pass(name: str) -> None:
    model = hollow(name)
    groups = layer_groups(model, name)

    every = dict(model.named_parameters())
    grouped = [(key, value) for group in groups for key, value in group.named_parameters]
    assert len(grouped) == len(every) and all(every[key] is value for key, value in grouped)
    inside = [id(p) for group in groups for module in group.modules for p in module.parameters()]
    assert len(set(inside)) == len(inside)

    number_of = {key: i for i, group in enumerate(groups) for key, _ in group.named_parameters}
    used = order_of_use(model)
    assert sorted(used) == sorted(every)
    numbers = [number_of[key] for key in used]
    assert numbers == sorted(numbers)

    stages = next((STAGES[key] for key in STAGES if name.startswith(key)), 4)
    titles = [f"stage {number}" for number in range(1, stages + 1)]
    assert [group.name for group in groups] == ["stem", *titles, "head"]
    kernels = {value.shape[0] for _, value in groups[-1].named_parameters if value.ndim > 1}
    assert kernels == {CLASSES} and len(groups[-1].modules) == 1
    assert isinstance(groups[-1].modules[0], nn.Linear | nn.Conv2d)

    kernel = every[input_kernel(groups)]
    assert used.index(input_kernel(groups)) == min(
        i for i, key in enumerate(used) if is_kernel(key, every[key])
    )
    assert kernel.shape[1] in (3, 48)  # `small` folds 4 by 4 pixels into channels


def test_exempt_from_being_kernels_is_what_inputs_are_not_multiplied_with() -> None:
    for name in ("vit_b_32", "swin_t", "swin_v2_t", "convnext_tiny", "maxvit_t", "resnet18"):
        model = hollow(name)
        owners = {
            f"{path}.{key}"
            for path, module in model.named_modules()
            if isinstance(module, nn.Conv2d | nn.Linear | nn.MultiheadAttention)
            for key in ("weight", "in_proj_weight")
            if getattr(module, key, None) is not None
        }
        assert {key for key, value in model.named_parameters() if is_kernel(key, value)} == owners


def test_groups_hold_what_the_model_holds_after_it_moved() -> None:
    model = build_model("small", 3, (32, 32), seed=0)
    groups = layer_groups(model, "small")
    model.to(torch.float64)
    assert {p.dtype for group in groups for p in group.parameters} == {torch.float64}
    assert [isinstance(group, LayerGroup) for group in groups] == [True] * 5


def test_a_family_not_known_is_cut_into_its_parts() -> None:
    parts = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    whole = nn.Sequential(nn.Identity(), parts)
    groups = layer_groups(whole, "lenet")
    assert [group.name for group in groups] == ["stem", "stage 1", "head"]
    assert [[name for name, _ in group.named_parameters] for group in groups] == [
        *(["1.0.weight", "1.0.bias"], ["1.1.weight", "1.1.bias"], ["1.3.weight", "1.3.bias"])
    ]
    stem, head = layer_groups(nn.Linear(2, 2), "one")
    assert stem.parameters == () and len(head.parameters) == 2
    assert input_kernel((stem, head)) == "weight"
