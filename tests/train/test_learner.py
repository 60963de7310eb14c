"""A learner is what the options of a run say: what is trained, how fast, and from what."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from augcli.manifests.errors import UsageError
from augcli.train.config import TrainConfig
from augcli.train.forward import MEAN, STD
from augcli.train.learner import Learner, build_learner
from augcli.train.muon import Muon

CPU = torch.device("cpu")
CLASSES = ("a", "b", "c")


def learner(**options: Any) -> Learner:
    return build_learner(TrainConfig(**options), CLASSES, (16, 16), CPU)


def peaks(made: Learner) -> dict[str, float]:
    """The peak learning rate of each parameter that is trained."""
    rates = {id(p): g["peak_lr"] for g in made.optimizer.param_groups for p in g["params"]}
    named = made.model.named_parameters()
    return {name: rates[id(parameter)] for name, parameter in named if id(parameter) in rates}


def test_by_default_all_layers_learn_at_one_rate() -> None:
    made = learner(lr=0.01)
    assert set(peaks(made).values()) == {0.01}
    assert len(peaks(made)) == len(list(made.model.parameters()))
    assert (made.forward.mean, made.forward.std) == (MEAN, STD)
    assert [group.name for group in made.groups] == [
        *("stem", "stage 1", "stage 2", "stage 3", "head")
    ]


@pytest.mark.parametrize(("smallest_batch", "accumulate"), [(1, 1), (3, 2)])
def test_a_last_part_of_one_sample_is_refused(smallest_batch: int, accumulate: int) -> None:
    config = TrainConfig(model="resnet18", stem="standard", accumulate=accumulate)
    with pytest.raises(UsageError, match="last batch of one sample"):
        build_learner(config, CLASSES, (16, 16), CPU, smallest_batch)


def test_rates_by_group() -> None:
    rates = peaks(learner(lrs="1e-4,1e-3,1e-2"))
    assert rates["head.weight"] == 0.01
    assert rates["stem.conv.weight"] == 1e-4
    assert rates["body.4.conv.weight"] == 1e-3
    rates = peaks(learner(lr=0.9, lr_mult=3.0))
    assert rates["head.bias"] == 0.9
    assert rates["body.4.conv.weight"] == pytest.approx(0.3)
    assert rates["stem.conv.weight"] == pytest.approx(0.9 / 81)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"lr": 0.1, "lrs": "1,2"}, "--lr and --lrs"),
        ({"lrs": "1,2", "lr_mult": 3.0}, "--lrs and --lr-mult"),
        ({"lrs": "1,two"}, "--lrs 1,two: expected numbers"),
        ({"lrs": "1,2,3,4,5,6"}, "expected at most 5"),
        ({"freeze_to": 5}, "--freeze-to 5: expected -5 to 4"),
        ({"weights": "nowhere.pt"}, "there is no such file"),
        ({"model": "vit_b_16", "stem": "small"}, "--stem small"),
    ],
)
def test_what_can_not_be(options: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        learner(**options)


def test_frozen_groups_are_in_no_group_of_the_optimiser() -> None:
    made = learner(freeze_to=-1)
    assert set(peaks(made)) == {"head.weight", "head.bias"}
    norms = [m for m in made.model.modules() if isinstance(m, nn.BatchNorm2d)]
    made.model.train()
    assert all(norm.training for norm in norms)
    held = learner(freeze_to=2, freeze_bn="frozen").model.train()
    states = {n: m.training for n, m in held.named_modules() if isinstance(m, nn.BatchNorm2d)}
    assert {name for name, training in states.items() if not training} == {
        *("stem.norm", "body.0.norm", "body.1.first.norm", "body.1.second.norm")
    }
    everywhere = learner(freeze_bn="all").model.train()
    assert not any(m.training for m in everywhere.modules() if isinstance(m, nn.BatchNorm2d))


def test_muon_changes_hidden_kernels_and_adamw_the_rest() -> None:
    made = learner(opt="muon")
    assert isinstance(made.optimizer, Muon)
    by_muon = {id(p) for g in made.optimizer.param_groups if g["muon"] for p in g["params"]}
    names = {n for n, p in made.model.named_parameters() if id(p) in by_muon}
    assert "body.0.conv.weight" in names
    assert not names & {"stem.conv.weight", "head.weight", "head.bias", "body.0.norm.weight"}


def test_weights_come_with_their_normalisation(tmp_path: Path) -> None:
    donor = learner(seed=5)
    path = tmp_path / "weights.pt"
    torch.save(donor.model.state_dict(), path)
    made = learner(weights=str(path))
    assert made.weights is not None and made.weights.mean is None
    for mine, its in zip(made.model.parameters(), donor.model.parameters(), strict=True):
        assert torch.equal(mine, its)
    without = build_learner(
        dataclasses.replace(TrainConfig(), weights=str(path)), CLASSES, (16, 16), CPU,
        pretrained=False,
    )  # fmt: skip
    assert without.weights is None


def test_compiling_is_asked_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[nn.Module] = []
    monkeypatch.setattr(nn.Module, "compile", lambda self: compiled.append(self))
    assert learner().model not in compiled
    made = learner(compile=True)
    assert compiled == [made.model]
    assert all("_orig_mod" not in name for name in made.model.state_dict())
