"""Optimisers by name: what decays, how, and at which learning rate."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from augcli.manifests.errors import UsageError
from augcli.train import config
from augcli.train.freezing import freeze_to
from augcli.train.group_rates import group_rates
from augcli.train.layer_groups import layer_groups
from augcli.train.models import build_model
from augcli.train.optimizers import (
    ADAMW_SHARE,
    OPTIMIZERS,
    Group,
    build_optimizer,
    clip_gradients,
    parameter_groups,
    resolve_lr,
    resolve_weight_decay,
    set_lr,
)


def one_group(params: list[nn.Parameter], lr: float, weight_decay: float = 0.0) -> list[Group]:
    group = {"params": params, "lr": lr, "peak_lr": lr, "weight_decay": weight_decay}
    return [{**group, "muon": False}]


def after_one_step(name: str, weight_decay: float, gradient: float) -> float:
    """A single weight of 1 after one step at learning rate 0.1 with this gradient."""
    weight = nn.Parameter(torch.ones(1, 1))
    optimizer = build_optimizer(name, one_group([weight], 0.1, weight_decay))
    weight.grad = torch.full((1, 1), gradient)
    optimizer.step()
    return weight.item()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_descends(name: str) -> None:
    weight = nn.Parameter(torch.ones(1, 1))
    optimizer = build_optimizer(name, one_group([weight], 0.01))
    for _ in range(200):
        optimizer.zero_grad()
        weight.grad = 2 * weight.detach()
        optimizer.step()
    assert abs(weight.item()) < 0.1


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_decay_is_decoupled_in_adamw_and_muon_only(name: str) -> None:
    plain, decayed = after_one_step(name, 0.0, 1.0), after_one_step(name, 0.5, 1.0)
    if name in ("adamw", "muon"):  # the weight shrinks by lr * decay, whatever the gradient's scale
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


def names_in(model: nn.Module, groups: list[Group]) -> list[set[str]]:
    name_of = {id(parameter): name for name, parameter in model.named_parameters()}
    return [{name_of[id(p)] for p in group["params"]} for group in groups]


@pytest.mark.parametrize("name", ["small", "resnet18", "mobilenet_v3_small"])
def test_without_layers_it_is_as_if_there_were_one(name: str) -> None:
    """Two groups, each in the model's order: what checkpoints count parameters by."""
    model = build_model(name, 3, (32, 32), seed=0)
    groups = parameter_groups(model, 0.1, 0.05)
    every = list(model.parameters())
    wanted = ([p for p in every if p.ndim > 1], [p for p in every if p.ndim <= 1])
    for group, parameters, decay in zip(groups, wanted, (0.05, 0.0), strict=True):
        assert [id(p) for p in group["params"]] == [id(p) for p in parameters]
        assert group.keys() == {"params", "lr", "peak_lr", "weight_decay"}
        assert (group["lr"], group["peak_lr"], group["weight_decay"]) == (0.1, 0.1, decay)


@pytest.mark.parametrize(
    ("name", "pixels", "exempt"),
    [
        ("vit_b_32", 32, {"class_token", "encoder.pos_embedding"}),
        ("swin_t", 32, {"features.1.0.attn.relative_position_bias_table"}),
        ("convnext_tiny", 32, {"features.1.0.layer_scale"}),
    ],
)
def test_tokens_positions_and_scales_are_exempt(name: str, pixels: int, exempt: set[str]) -> None:
    with torch.device("meta"):
        model = build_model(name, 3, (pixels, pixels), seed=0)
    decayed, exempted = names_in(model, parameter_groups(model, 0.1, 0.05))
    assert exempt <= exempted
    assert not any(name.endswith(("bias", "bias_table")) for name in decayed)
    matrices = (nn.Linear, nn.Conv2d, nn.MultiheadAttention)
    for path, module in model.named_modules():
        for key, _ in module.named_parameters(recurse=False):
            is_matrix = isinstance(module, matrices) and key.endswith("weight")
            assert (f"{path}.{key}".removeprefix(".") in decayed) == is_matrix


@pytest.mark.parametrize("name", ["small", "resnet18"])
def test_each_layer_group_has_its_own_peak_and_decay(name: str) -> None:
    model = build_model(name, 3, (32, 32), seed=0)
    layers = layer_groups(model, name)
    rates = group_rates(0.1, layers, mult=10)
    groups = parameter_groups(model, 0.1, 0.05, layers, rates)
    rate_of = {n: r for g, r in zip(layers, rates, strict=True) for n, _ in g.named_parameters}
    seen: list[str] = []
    for group, names in zip(groups, names_in(model, groups), strict=True):
        seen += names
        for key in names:
            assert group["lr"] == group["peak_lr"] == rate_of[key]
            decays = model.get_parameter(key).ndim > 1
            assert group["weight_decay"] == (0.05 if decays else 0.0)
    assert sorted(seen) == sorted(rate_of)
    peaks = [group["peak_lr"] for group in groups]
    assert peaks == sorted(peaks) and len(set(peaks)) == len(layers)


def test_with_equal_rates_layers_change_nothing() -> None:
    ends = []
    for split in (False, True):
        model = build_model("small", 3, (32, 32), seed=0)
        layers = layer_groups(model, "small") if split else None
        optimizer = build_optimizer("adamw", parameter_groups(model, 0.01, 0.05, layers))
        for seed in range(3):
            images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
            optimizer.zero_grad()
            model(images).square().sum().backward()
            optimizer.step()
        ends.append(model.state_dict())
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])


def test_muon_takes_hidden_kernels_and_leaves_the_rest_to_adamw() -> None:
    with torch.device("meta"):
        model = build_model("vit_b_32", 3, (32, 32), seed=0)
    layers = layer_groups(model, "vit_b_32")
    groups = parameter_groups(model, 0.02, 0.01, layers, opt="muon")
    orthogonal: set[str] = set()
    for group, names in zip(groups, names_in(model, groups), strict=True):
        assert group["peak_lr"] == pytest.approx(0.02 if group["muon"] else 0.0015)
        assert pytest.approx(0.075) == ADAMW_SHARE
        orthogonal |= names if group["muon"] else set()
    assert orthogonal == {
        f"encoder.layers.encoder_layer_{block}.{kernel}"
        for block in range(12)
        for kernel in (
            *("self_attention.in_proj_weight", "self_attention.out_proj.weight"),
            *("mlp.0.weight", "mlp.3.weight"),
        )
    }


def test_muon_with_only_the_head_trained_is_adamw() -> None:
    model = build_model("small", 3, (32, 32), seed=0)
    layers = layer_groups(model, "small")
    freeze_to(model, layers, -1)
    groups = parameter_groups(model, 0.02, 0.01, layers, opt="muon")
    assert [group["muon"] for group in groups] == [False, False]
    assert names_in(model, groups) == [{"head.weight"}, {"head.bias"}]


def test_muon_without_layers_is_refused() -> None:
    model = build_model("small", 3, (32, 32), seed=0)
    with pytest.raises(ValueError, match="layers"):
        parameter_groups(model, 0.02, 0.01, opt="muon")
    with pytest.raises(ValueError, match="muon"):
        build_optimizer("muon", parameter_groups(model, 0.02, 0.01))


def with_gradients(*gradients: list[float]) -> list[nn.Parameter]:
    parameters = [nn.Parameter(torch.zeros(len(gradient))) for gradient in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = torch.tensor(gradient)
    return parameters


def test_clipping_is_by_the_norm_over_all_parameters() -> None:
    first, second = with_gradients([3.0, 0.0], [0.0, -4.0])
    optimizer = build_optimizer("sgd", one_group([first], 0.1) + one_group([second], 0.1))
    assert clip_gradients(optimizer, 1.0) == pytest.approx(5.0)
    assert first.grad is not None and second.grad is not None
    assert first.grad.tolist() == pytest.approx([0.6, 0.0])
    assert second.grad.tolist() == pytest.approx([0.0, -0.8])
    assert clip_gradients(optimizer, 2.0) == pytest.approx(1.0)
    assert first.grad.tolist() == pytest.approx([0.6, 0.0])  # short enough


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_has_no_norm_is_not_clipped(bad: float) -> None:
    first, second = with_gradients([3.0], [bad])
    optimizer = build_optimizer("sgd", one_group([first, second], 0.1))
    with pytest.raises(FloatingPointError, match="norm of the gradients"):
        clip_gradients(optimizer, 1.0)
    assert first.grad is not None and first.grad.item() == 3.0


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
