"""Optimisers by name: what decays, how, and at which learning rate."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from augcli.manifests.errors import UsageError
from augcli.train import config
from augcli.train.models import build_model
from augcli.train.optimizers import (
    OPTIMIZERS,
    build_optimizer,
    parameter_groups,
    resolve_lr,
    resolve_weight_decay,
    set_lr,
)


def after_one_step(name: str, weight_decay: float, gradient: float) -> float:
    """A single weight of 1 after one step at learning rate 0.1 with this gradient."""
    weight = nn.Parameter(torch.ones(1, 1))
    group = {"params": [weight], "lr": 0.1, "peak_lr": 0.1, "weight_decay": weight_decay}
    optimizer = build_optimizer(name, [group])
    weight.grad = torch.full((1, 1), gradient)
    optimizer.step()
    return weight.item()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_descends(name: str) -> None:
    weight = nn.Parameter(torch.ones(1, 1))
    optimizer = build_optimizer(
        name, [{"params": [weight], "lr": 0.01, "peak_lr": 0.01, "weight_decay": 0.0}]
    )
    for _ in range(200):
        optimizer.zero_grad()
        weight.grad = 2 * weight.detach()
        optimizer.step()
    assert abs(weight.item()) < 0.1


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_decay_is_decoupled_in_adamw_only(name: str) -> None:
    plain, decayed = after_one_step(name, 0.0, 1.0), after_one_step(name, 0.5, 1.0)
    if name == "adamw":  # the weight shrinks by lr * decay, whatever the gradient's scale
        assert plain - decayed == pytest.approx(0.1 * 0.5)
    elif name == "sgd":  # the gradient grows by decay * weight; nesterov applies it 1.9-fold
        assert plain - decayed == pytest.approx(0.1 * 0.5 * 1.9)
    else:  # the first step has the same length whatever the gradient, penalty included
        assert plain == pytest.approx(decayed, abs=1e-6)


def test_norms_and_biases_are_exempt_and_nothing_is_lost() -> None:
    model = build_model("small", 5, (32, 32), seed=0)
    decayed, exempt = parameter_groups(model, lr=0.1, weight_decay=0.05)
    assert decayed["weight_decay"] == 0.05
    assert exempt["weight_decay"] == 0.0
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    must_be_exempt = {id(p) for m in norms for p in (m.weight, m.bias)}
    must_be_exempt |= {id(p) for name, p in model.named_parameters() if name.endswith("bias")}
    assert {id(p) for p in exempt["params"]} == must_be_exempt
    assert len(decayed["params"]) + len(exempt["params"]) == len(list(model.parameters()))


def test_frozen_parameters_are_in_no_group() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    groups = parameter_groups(model, lr=0.1, weight_decay=0.1)
    assert [id(p) for group in groups for p in group["params"]] == [
        id(model[1].weight),
        id(model[1].bias),
    ]


def test_a_factor_scales_each_group_from_its_own_peak() -> None:
    groups = [
        {"params": [nn.Parameter(torch.ones(1))], "lr": lr, "peak_lr": lr, "weight_decay": 0.0}
        for lr in (0.1, 0.3)
    ]
    optimizer = build_optimizer("sgd", groups)
    for factor in (0.5, 1.0, 0.0, 0.25):
        set_lr(optimizer, factor)
        rates = [group["lr"] for group in optimizer.param_groups]
        assert rates == pytest.approx([0.1 * factor, 0.3 * factor])


def test_what_the_user_says_goes_before_defaults() -> None:
    for name, method in OPTIMIZERS.items():
        assert resolve_lr(name, None) == method.lr > 0
        assert resolve_lr(name, 0.0) == 0.0
        assert resolve_weight_decay(name, None) == method.weight_decay
        assert resolve_weight_decay(name, 0.0) == 0.0


def test_the_command_line_offers_what_is_registered() -> None:
    assert tuple(OPTIMIZERS) == config.OPTIMISERS


def test_unknown_name() -> None:
    with pytest.raises(UsageError, match=r"unknown optimiser 'lion'.*adamw"):
        build_optimizer("lion", [])
