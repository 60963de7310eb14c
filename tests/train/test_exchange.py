"""The sum over ranks is the step of one process; here the other ranks are twins of this one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from augcli.train.batch import Batch, Fault
from augcli.train.config import TrainConfig
from augcli.train.exchange import Exchange
from augcli.train.forward import Forward, normalise
from augcli.train.step import Step, to_device
from augcli.train.stop import StopRequest
from augcli.train.together import Together
from augcli.train.world import World

CPU = torch.device("cpu")


class Twins(Together):
    """As many ranks as there are shares, all like this one, but for what they saw."""

    def __init__(self, samples: int, others: int) -> None:
        super().__init__(World(0, 2, 0, 2))
        self.ratio = (samples + others) / samples if samples else 0.0
        self.others = others
        self.said: list[list[float]] = []

    def sums(self, values: list[float]) -> list[float]:  # type: ignore[override]
        self.said.append(list(values))
        loss_sum, correct, samples, skipped, *votes = values
        return [loss_sum * self.ratio, correct, samples + self.others, skipped, *votes]

    def add_(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.mul_(self.ratio)


def batch(count: int, faults: int = 0) -> Batch:
    pixels = torch.arange(count * 3 * 8 * 8, dtype=torch.int64) * 7 % 256
    images = (
        pixels.to(torch.uint8).view(count, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    )
    missing = tuple(Fault(f"gone{number}", "torn") for number in range(faults))
    keys = tuple(f"key{number}" for number in range(count))
    return Batch(images, torch.arange(count) % 3, keys, np.arange(count), 0, missing)


def network() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3)
    )
    model.register_buffer("constant", torch.tensor([0.1, -torch.inf]))
    return to_device(model, CPU)


def take_step(model: nn.Module, given: Batch, together: Together, exchange: Exchange) -> None:
    optimizer = torch.optim.SGD([each for each in model.parameters() if each.requires_grad], 0.1)
    Step(model, optimizer, Forward(CPU), exchange=exchange)(given, stop=StopRequest(agreed=True))


@pytest.mark.parametrize("others", [0, 4, 7])
def test_twins_step_as_one(others: int) -> None:
    model, twin = network(), network()
    given = batch(4, faults=1)
    together = Twins(4, others)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    step = Step(model, optimizer, Forward(CPU), exchange=Exchange(model, together))
    outcome = step(given, stop=StopRequest(agreed=True))
    logits = twin(normalise(given.images, CPU))
    functional.cross_entropy(
        logits, given.labels, label_smoothing=TrainConfig.label_smoothing
    ).backward()  # type: ignore[no-untyped-call]
    plain = functional.cross_entropy(logits, given.labels).item()
    assert outcome.loss == pytest.approx(plain, rel=1e-6)
    assert (outcome.samples, outcome.skipped) == (4 + others, 1)
    assert together.said[0][2:] == [4, 1, 0, 0]
    for changed, old in zip(model.parameters(), twin.parameters(), strict=True):
        assert old.grad is not None
        torch.testing.assert_close(changed.detach(), (old - 0.1 * old.grad).detach())
        assert changed.grad is not None and changed.grad.stride() == changed.stride()
    for (name, moved), (_, expected) in zip(
        model.named_buffers(), twin.named_buffers(), strict=True
    ):
        torch.testing.assert_close(moved, expected, msg=name)
    assert torch.equal(model.get_buffer("constant"), twin.get_buffer("constant"))


def test_a_rank_without_a_view_adds_nothing() -> None:
    model = network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    take_step(model, batch(0, faults=2), together := Twins(0, 5), Exchange(model, together))
    assert together.said[0][:4] == [0, 0, 0, 2]
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_what_is_frozen_or_freed_is_left_out_or_added() -> None:
    model, together = network(), Twins(4, 0)
    exchange = Exchange(model, together)
    convolution, head = model.get_parameter("0.weight"), model.get_parameter("4.weight")
    for trained in (True, False, True):
        convolution.requires_grad_(trained)
        before = convolution.detach().clone(), head.detach().clone()
        take_step(model, batch(4), together, exchange)
        assert torch.equal(convolution, before[0]) != trained
        assert not torch.equal(head, before[1])
        assert (convolution.grad is not None) == trained


def test_a_loss_that_is_no_number_leaves_the_weights() -> None:
    model = network()
    with torch.no_grad():
        model.get_parameter("4.bias")[0] = float("inf")
    before = model.get_parameter("0.weight").detach().clone()
    with pytest.raises(FloatingPointError, match="loss is nan"):
        take_step(model, batch(4), together := Twins(4, 4), Exchange(model, together))
    assert torch.equal(model.get_parameter("0.weight"), before)
