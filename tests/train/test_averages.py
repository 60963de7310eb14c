"""Averages of weights, the statistics that go with them, and ensembles, against their formulas."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from augcli.train.averages import Average, ema_share
from augcli.train.batch_norm import reestimate
from augcli.train.forward import Forward
from augcli.train.freezing import freeze_bn
from augcli.train.layer_groups import LayerGroup
from augcli.train.snapshots import Ensemble
from augcli.train.together import Together


def net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.Dropout(0.9),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3),
    )  # fmt: skip


def stir(model: nn.Module) -> None:
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.add_(torch.rand_like(tensor) if tensor.is_floating_point() else 1)


def test_a_short_average_forgets_where_it_began() -> None:
    assert [1 - ema_share(0.999, steps) for steps in (1, 8, 90)] == pytest.approx(
        [2 / 11, 0.5, 0.91]
    )
    assert 1 - ema_share(0.999, 10**6) == pytest.approx(0.999)
    assert 1 - ema_share(0.3, 100) == pytest.approx(0.3)


def test_the_moving_average_is_the_weighted_sum_of_all_weights() -> None:
    model = net()
    average = Average(model)
    expected = copy.deepcopy(model.state_dict())
    for share in (0.8, 0.1, 0.3):
        stir(model)
        average.move(share)
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                expected[name] = (1 - share) * expected[name] + share * tensor
            else:
                expected[name] = tensor.clone()
    for name, tensor in average.state().items():
        torch.testing.assert_close(tensor, expected[name])
    assert int(average.state()["1.num_batches_tracked"]) == 3
    assert not any(parameter.requires_grad for parameter in average.model.parameters())
    other = Average(net())
    other.load(average.state())
    for name, tensor in other.state().items():
        assert torch.equal(tensor, average.state()[name])


def test_shares_of_one_over_n_make_the_plain_mean() -> None:
    model = net()
    average, seen = Average(model), []
    for count in range(1, 5):
        stir(model)
        seen.append(model[5].weight.detach().clone())
        average.move(1 / count)
    torch.testing.assert_close(average.model[5].weight, torch.stack(seen).mean(0))  # type: ignore[index]


def test_statistics_are_those_of_the_batches_shown() -> None:
    forward = Forward(torch.device("cpu"))
    batches = [torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8) for _ in range(3)]
    model, before = net(), torch.get_rng_state()
    by_torch = copy.deepcopy(model)
    reestimate(model, [batches[0], torch.empty(0, 3, 8, 8), *batches[1:]], forward, Together())
    assert torch.equal(torch.get_rng_state(), before), "dropout must not draw"
    assert not any(module.training for module in model.modules())
    assert model[1].momentum == 0.1
    update_bn(((batch / 255 - 0.5) / 0.25 for batch in batches), by_torch)
    torch.testing.assert_close(model[1].running_mean, by_torch[1].running_mean)
    torch.testing.assert_close(model[1].running_var, by_torch[1].running_var)


def test_held_statistics_stay() -> None:
    model = net()
    group = LayerGroup("all", tuple(model), tuple(model.parameters()))
    freeze_bn(model, [group], 0, everywhere=True)
    before = copy.deepcopy(model.state_dict())
    images = torch.randint(0, 256, (5, 3, 8, 8), dtype=torch.uint8)
    reestimate(model, [images], Forward(torch.device("cpu")), Together())
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_an_ensemble_answers_with_the_mean_of_probabilities() -> None:
    members = [net().eval() for _ in range(3)]
    images = torch.randn(2, 3, 8, 8)
    mean = torch.stack([member(images).softmax(1) for member in members]).mean(0)
    torch.testing.assert_close(Ensemble(members)(images).softmax(1), mean)
    torch.testing.assert_close(Ensemble(members)(images).exp(), mean)
