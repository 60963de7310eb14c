"""What is frozen stays bit for bit; the rest learns."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from augcli.manifests.errors import UsageError
from augcli.train.freezing import freeze_bn, freeze_to
from augcli.train.layer_groups import LayerGroup, layer_groups
from augcli.train.models import build_model
from augcli.train.optimizers import build_optimizer, parameter_groups


def network(name: str = "small") -> tuple[nn.Module, tuple[LayerGroup, ...]]:
    model = build_model(name, 3, (32, 32), seed=0)
    return model, layer_groups(model, name)


def learn(model: nn.Module, steps: int = 2) -> None:
    """In train mode, as every epoch begins."""
    model.train()
    optimizer = build_optimizer("sgd", parameter_groups(model, 0.1, 0.01))
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        optimizer.zero_grad()
        images = torch.randn(4, 3, 32, 32, generator=generator) + 1
        nn.functional.cross_entropy(model(images), torch.tensor([0, 1, 2, 0])).backward()
        optimizer.step()


def changed(before: dict[str, torch.Tensor], model: nn.Module) -> set[str]:
    return {key for key, value in model.state_dict().items() if not torch.equal(before[key], value)}


def state_names(model: nn.Module, groups: tuple[LayerGroup, ...]) -> set[str]:
    """Parameters and running statistics of these groups."""
    chosen = {tensor.data_ptr() for g in groups for m in g.modules for tensor in m.buffers()}
    chosen |= {tensor.data_ptr() for g in groups for tensor in g.parameters}
    return {key for key, value in model.state_dict().items() if value.data_ptr() in chosen}


@pytest.mark.parametrize("name", ["small", "resnet18"])
@pytest.mark.parametrize("n", [0, 1, 2, -1])
def test_the_groups_before_n_stay_and_the_others_learn(name: str, n: int) -> None:
    model, groups = network(name)
    freeze_to(model, groups, n)
    freeze_bn(model, groups, n)
    before = copy.deepcopy(model.state_dict())
    learn(model)
    frozen = state_names(model, groups[: n % len(groups)])
    assert changed(before, model) == set(before) - frozen


def test_without_holding_them_running_statistics_of_frozen_layers_move() -> None:
    model, groups = network()
    freeze_to(model, groups, -1)
    before = copy.deepcopy(model.state_dict())
    learn(model)
    assert "stem.norm.running_mean" in changed(before, model)
    assert "stem.norm.weight" not in changed(before, model)


def test_thawing_one_group_after_the_other() -> None:
    model, groups = network()
    for n in (-1, -2, 1, 0):
        freeze_to(model, groups, n)
        freeze_bn(model, groups, n)
        trained = {name for name, p in model.named_parameters() if p.requires_grad}
        assert trained == {name for g in groups[n:] for name, _ in g.named_parameters}
    assert all(module.training for module in model.modules())
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {type(module) for module in norms} == {nn.BatchNorm2d}


def test_held_everywhere_statistics_stay_and_scales_learn() -> None:
    model, groups = network()
    freeze_to(model, groups, 0)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    assert freeze_bn(model, groups, 0, everywhere=True) == len(norms) == 10
    before = copy.deepcopy(model.state_dict())
    learn(model)
    assert not any(module.training for module in norms)
    moved = changed(before, model)
    assert not any("running" in key or "num_batches" in key for key in moved)
    assert "stem.norm.weight" in moved


def test_holding_follows_train_and_eval_of_the_model_and_of_copies() -> None:
    model, groups = network()
    freeze_bn(model, groups, 1)
    for held in (model, copy.deepcopy(model)):
        held.eval().train()
        assert not held.get_submodule("stem.norm").training
        assert held.get_submodule("body.0.norm").training
    model.eval()
    assert freeze_bn(model, groups, 0) == 0
    assert not model.get_submodule("stem.norm").training  # as the model
    model.train()
    assert model.get_submodule("stem.norm").training


def test_the_names_in_the_state_stay() -> None:
    model, groups = network("resnet18")
    names = list(model.state_dict())
    freeze_bn(model, groups, -1)
    assert list(model.state_dict()) == names


@pytest.mark.parametrize("n", [5, -6])
def test_no_such_group(n: int) -> None:
    model, groups = network()
    with pytest.raises(UsageError, match=rf"--freeze-to {n}: expected -5 to 4.*0 stem.*4 head"):
        freeze_to(model, groups, n)
    with pytest.raises(UsageError, match="--freeze-to"):
        freeze_bn(model, groups, n)
