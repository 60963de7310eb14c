"""One step: the device, pixels made into numbers, and the loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from augcli.manifests.errors import UsageError
from augcli.train.batch import Batch, Fault
from augcli.train.config import TrainConfig
from augcli.train.forward import Forward, normalise
from augcli.train.residual import Mixed
from augcli.train.step import Step, StepRules, choose_device, to_device
from augcli.train.world import World

CPU = torch.device("cpu")


def images(count: int = 4) -> torch.Tensor:
    pixels = torch.arange(count * 3 * 8 * 8, dtype=torch.int64) % 256
    shaped = pixels.to(torch.uint8).view(count, 3, 8, 8)
    return shaped.contiguous(memory_format=torch.channels_last)


def batch(count: int = 4) -> Batch:
    labels = torch.arange(count) % 3
    return Batch(images(count), labels, tuple(f"key{i}" for i in range(count)), np.arange(count))


def linear_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 3))


def test_normalisation_is_what_the_file_says() -> None:
    pixels = images()
    before = pixels.clone()
    result = normalise(pixels, CPU)
    assert result.dtype == torch.float32
    assert result.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(result, (pixels.float() / 255 - 0.5) / 0.25)
    assert torch.equal(pixels, before)
    assert result.min() == -2 and result.max() == 2


def test_images_in_another_memory_order_give_the_same_numbers() -> None:
    assert torch.equal(normalise(images(), CPU), normalise(images().contiguous(), CPU))


def test_convolutions_are_channels_last() -> None:
    model = to_device(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten()), CPU)
    assert model.get_parameter("0.weight").is_contiguous(memory_format=torch.channels_last)


def test_a_step_follows_the_smoothed_loss_and_reports_the_plain_one() -> None:
    model, twin = linear_model(), linear_model()
    given = batch()
    outcome = Step(model, torch.optim.SGD(model.parameters(), lr=0.1), Forward(CPU))(given)

    logits = twin((given.images.float() / 255 - 0.5) / 0.25)
    log_p = functional.log_softmax(logits, dim=1)
    plain = -log_p.gather(1, given.labels[:, None]).mean()
    smoothed = (
        1 - TrainConfig.label_smoothing
    ) * plain - TrainConfig.label_smoothing * log_p.mean()
    smoothed.backward()  # type: ignore[no-untyped-call]
    assert outcome.loss == pytest.approx(plain.item(), rel=1e-5)
    assert outcome.correct == int((logits.argmax(dim=1) == given.labels).sum())
    assert outcome.samples == 4
    for changed, old in zip(model.parameters(), twin.parameters(), strict=True):
        assert old.grad is not None
        torch.testing.assert_close(changed.detach(), (old - 0.1 * old.grad).detach())


def test_a_batch_without_a_view_changes_nothing() -> None:
    model = linear_model()
    before = model.get_parameter("1.weight").detach().clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    Step(model, optimizer, Forward(CPU))(batch())
    after = model.get_parameter("1.weight").detach().clone()
    assert not torch.equal(after, before)
    empty = Batch(images()[:0], torch.arange(0), (), np.arange(0), 1, (Fault("key0", "torn"),))
    outcome = Step(model, optimizer, Forward(CPU))(empty)
    assert (outcome.samples, outcome.skipped) == (0, 1)
    assert torch.equal(model.get_parameter("1.weight"), after)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_leaves_the_weights(bad: float) -> None:
    model = linear_model()
    with torch.no_grad():
        model.get_parameter("1.bias")[0] = bad
    before = model.get_parameter("1.weight").detach().clone()
    with pytest.raises(FloatingPointError, match="loss is"):
        Step(model, torch.optim.SGD(model.parameters(), lr=0.1), Forward(CPU))(batch())
    assert torch.equal(model.get_parameter("1.weight"), before)


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == CPU
    with pytest.raises(UsageError, match="no CUDA device"):
        choose_device("cuda")
    with pytest.raises(UsageError, match=r"unknown device 'gpu'.*cuda"):
        choose_device("gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda", 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("auto", World(3, 4, 1, 2)) == torch.device("cuda", 1)
    assert choose_device("cpu", World(3, 4, 1, 2)) == CPU
    with pytest.raises(UsageError, match="4 ranks on this machine, where torch sees 2 CUDA"):
        choose_device("auto", World(1, 4, 1, 4))


@pytest.mark.parametrize("parts", [2, 3, 9])
def test_a_batch_in_parts_makes_the_same_step(parts: int) -> None:
    whole, cut = linear_model(), linear_model()
    weights = torch.tensor([1.0, 0.7, 0.2, 0.9, 0.5])

    def alter(pixels: torch.Tensor, labels: torch.Tensor) -> Mixed:
        return Mixed(pixels, labels, labels.roll(1), weights)

    for model, rules in ((whole, StepRules()), (cut, StepRules(accumulate=parts))):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        outcome = Step(model, optimizer, Forward(CPU), rules)(batch(5), alter)
        assert outcome.samples == 5
        if model is whole:
            expected = outcome
    assert outcome.loss == pytest.approx(expected.loss, rel=1e-6)
    assert outcome.correct == expected.correct
    for mine, other in zip(whole.parameters(), cut.parameters(), strict=True):
        torch.testing.assert_close(mine, other)


def test_gradients_are_clipped_before_the_step() -> None:
    def moved(limit: float | None) -> float:
        model, before = linear_model(), linear_model()
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        Step(model, optimizer, Forward(CPU), StepRules(clip_norm=limit))(batch())
        pairs = zip(model.parameters(), before.parameters(), strict=True)
        changes = [(mine - other).detach().flatten() for mine, other in pairs]
        return float(torch.cat(changes).norm())

    free = moved(None)
    assert moved(free / 2) == pytest.approx(free / 2, rel=1e-4)
    assert moved(free * 2) == pytest.approx(free, rel=1e-4)


def test_without_smoothing_the_step_follows_the_plain_loss() -> None:
    model, twin = linear_model(), linear_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    Step(model, optimizer, Forward(CPU), StepRules(label_smoothing=0.0))(batch())
    loss = functional.cross_entropy(Forward(CPU)(twin, images()), batch().labels)
    loss.backward()  # type: ignore[no-untyped-call]
    for changed, old in zip(model.parameters(), twin.parameters(), strict=True):
        assert old.grad is not None
        torch.testing.assert_close(changed.detach(), (old - 0.1 * old.grad).detach())
