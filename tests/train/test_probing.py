"""Sizes are compared on a copy: the model, its statistics and the random state stay as they are."""

from __future__ import annotations

import copy

import torch
from torch import nn

from augcli.train.batch import Batch
from augcli.train.forward import Forward
from augcli.train.probing import probe


def test_nothing_is_left_of_it() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    images = torch.randint(0, 256, (4, 3, 16, 16), dtype=torch.uint8)
    batch = Batch(images, torch.arange(4), tuple("abcd"), torch.arange(4).numpy())
    before, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    forward = Forward(torch.device("cpu"))
    found = probe(model, forward, batch, [8, 16])
    assert len(found.computing) == 2 and min(found.computing) > 0 < found.evaluating
    assert probe(model, forward, batch, [16]).computing == (0.0,)
    assert model.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), random)
