"""One step: the device, pixels made into numbers, and the loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from augcli.manifests.errors import UsageError
from augcli.train.batch import Batch, Fault
from augcli.train.step import LABEL_SMOOTHING, choose_device, normalise, to_device, train_step
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
    outcome = train_step(model, torch.optim.SGD(model.parameters(), lr=0.1), given, CPU)

    logits = twin((given.images.float() / 255 - 0.5) / 0.25)
    log_p = functional.log_softmax(logits, dim=1)
    plain = -log_p.gather(1, given.labels[:, None]).mean()
    smoothed = (1 - LABEL_SMOOTHING) * plain - LABEL_SMOOTHING * log_p.mean()
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
    train_step(model, optimizer, batch(), CPU)
    after = model.get_parameter("1.weight").detach().clone()
    assert not torch.equal(after, before)
    empty = Batch(images()[:0], torch.arange(0), (), np.arange(0), 1, (Fault("key0", "torn"),))
    outcome = train_step(model, optimizer, empty, CPU)
    assert (outcome.samples, outcome.skipped) == (0, 1)
    assert torch.equal(model.get_parameter("1.weight"), after)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_leaves_the_weights(bad: float) -> None:
    model = linear_model()
    with torch.no_grad():
        model.get_parameter("1.bias")[0] = bad
    before = model.get_parameter("1.weight").detach().clone()
    with pytest.raises(FloatingPointError, match="loss is"):
        train_step(model, torch.optim.SGD(model.parameters(), lr=0.1), batch(), CPU)
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
