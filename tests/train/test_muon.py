"""Muon: against the published formula in float64, torch's own, and a run that was interrupted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from augcli.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from augcli.train.layer_groups import layer_groups
from augcli.train.models import build_model
from augcli.train.muon import Muon, orthogonalise
from augcli.train.optimizers import build_optimizer, parameter_groups
from augcli.train.restoring import optimizer_state_of
from augcli.train.step import to_device

SHAPES = [(16, 16), (8, 40), (40, 8), (12, 3, 3, 3), (64, 4, 3, 3), (16, 1, 3, 3), (1, 5), (5, 1)]


def reference(
    weight: np.ndarray, gradients: list[np.ndarray], lr: float, decay: float
) -> np.ndarray:
    """Algorithm 2 of the post with Nesterov momentum and three iterations, in float64."""
    shape = weight.shape
    weight = weight.astype(np.float64).reshape(shape[0], -1)
    momentum = np.zeros_like(weight)
    for gradient in gradients:
        g = gradient.astype(np.float64).reshape(shape[0], -1)
        momentum = 0.95 * momentum + g
        x = g + 0.95 * momentum
        x = x / (np.sqrt((x**2).sum()) + 1e-7)
        for _ in range(3):
            xxt = x @ x.T
            x = 3.4445 * x - 4.7750 * xxt @ x + 2.0315 * xxt @ xxt @ x
        weight = weight - lr * decay * weight
        weight = weight - lr * np.sqrt(max(1, weight.shape[0] / weight.shape[1])) * x
    return weight.reshape(shape)


def group(parameters: list[nn.Parameter], **more: object) -> dict[str, object]:
    return {"params": parameters, "lr": 0.02, "weight_decay": 0.1, "muon": True, **more}


def random(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_steps_are_those_of_the_formula(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    weight = nn.Parameter(random(shape, 0).to(dtype))
    gradients = [random(shape, seed).to(dtype) for seed in range(1, 5)]
    wanted = reference(weight.detach().numpy(), [g.numpy() for g in gradients], lr=0.02, decay=0.1)
    optimizer = Muon([group([weight])])
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
        assert torch.equal(weight.grad, gradient)
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    np.testing.assert_allclose(weight.detach().numpy(), wanted, atol=tolerance)


def test_memory_order_changes_nothing() -> None:
    ends = []
    for layout in (torch.contiguous_format, torch.channels_last):
        weight = nn.Parameter(random((8, 4, 3, 3), 0).to(memory_format=layout))
        optimizer = Muon([group([weight])])
        for seed in (1, 2):
            weight.grad = random((8, 4, 3, 3), seed).to(memory_format=layout)
            optimizer.step()
        ends.append(weight.detach().contiguous())
    torch.testing.assert_close(ends[0], ends[1], rtol=0, atol=1e-12)


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch has no Muon before 2.9")
def test_torch_takes_the_same_step_with_a_matrix() -> None:
    """Up to its bfloat16."""
    ours, theirs = (nn.Parameter(random((24, 10), 0).float()) for _ in range(2))
    optimizers = [
        Muon([group([ours])]),
        torch.optim.Muon([theirs], lr=0.02, weight_decay=0.1, momentum=0.95, ns_steps=3),
    ]
    for seed in (1, 2, 3):
        ours.grad, theirs.grad = (random((24, 10), seed).float() for _ in range(2))
        for optimizer in optimizers:
            optimizer.step()
    moved = (theirs - random((24, 10), 0)).norm().item()
    assert (ours - theirs).norm().item() < 0.02 * moved


@pytest.mark.parametrize("shape", [(32, 32), (16, 80), (80, 16)])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_what_comes_out_is_nearly_orthogonal(shape: tuple[int, int], scale: float) -> None:
    """Same singular vectors, singular values near 1."""
    u, _, vt = np.linalg.svd(random(shape, 0).numpy(), full_matrices=False)
    values = np.linspace(0.2, 1.0, min(shape))
    matrix = torch.from_numpy(scale * (u * values) @ vt)
    inside = u.T @ orthogonalise(matrix).numpy() @ vt.T
    assert np.diag(inside).min() > 0.55 and np.diag(inside).max() < 1.25
    assert np.abs(inside - np.diag(np.diag(inside))).max() < 1e-9


def test_bfloat16_is_good_enough() -> None:
    """As on GPUs."""
    matrix = random((64, 96), 0)
    values = torch.linalg.svdvals(orthogonalise(matrix.bfloat16()).double())
    assert 0.6 < values.min() < values.max() < 1.3


def test_no_gradient_no_step_and_no_nan() -> None:
    weight, other = (nn.Parameter(torch.ones(3, 4)) for _ in range(2))
    optimizer = Muon([group([weight, other], weight_decay=0.0)])
    weight.grad = torch.zeros(3, 4)
    optimizer.step()
    assert torch.equal(weight, torch.ones(3, 4)) and torch.equal(other, torch.ones(3, 4))
    assert other not in optimizer.state


def test_the_rest_is_adamw() -> None:
    ours, theirs = (nn.Parameter(random((6, 5), 0).float()) for _ in range(2))
    optimizers = [
        Muon([group([ours], muon=False)]),
        torch.optim.AdamW([theirs], lr=0.02, weight_decay=0.1),
    ]
    for seed in range(1, 20):
        ours.grad, theirs.grad = (random((6, 5), seed).float() * seed for _ in range(2))
        for optimizer in optimizers:
            optimizer.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)


def toy() -> tuple[nn.Module, torch.optim.Optimizer]:
    model = to_device(build_model("small", 4, (16, 16), seed=0), torch.device("cpu"))
    layers = layer_groups(model, "small")
    return model, build_optimizer("muon", parameter_groups(model, 0.02, 0.01, layers, opt="muon"))


def go(model: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> list[float]:
    losses = []
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        labels = torch.arange(16) % 4
        images = torch.randn(16, 3, 16, 16, generator=generator)
        images += labels.view(-1, 1, 1, 1) * torch.tensor([1.0, -1.0, 0.5]).view(1, 3, 1, 1)
        loss = functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_the_loss_falls() -> None:
    losses = go(*toy(), range(12))
    assert np.mean(losses[-3:]) < 0.7 * losses[0]


def checkpoint(model: nn.Module, optimizer: torch.optim.Optimizer) -> Checkpoint:
    return Checkpoint(
        model_name="small",
        classes=list("abcd"),
        size=[16, 16],
        identity={},
        epoch=0,
        batch=3,
        totals={},
        history=[],
        best_epoch=None,
        model=dict(model.state_dict()),
        optimizer=optimizer.state_dict(),
        cpu_rng=None,
        cuda_rng=None,
    )


def test_a_run_that_goes_on_from_a_checkpoint_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    model, optimizer = toy()
    go(model, optimizer, range(3))
    save_checkpoint(tmp_path / "last.pt", checkpoint(model, optimizer))
    whole = go(model, optimizer, range(3, 6))

    again, restored = toy()
    loaded = load_checkpoint(tmp_path / "last.pt")
    again.load_state_dict(loaded.model)
    state = optimizer_state_of(loaded, "muon", restored.param_groups)
    groups = restored.state_dict()["param_groups"]
    restored.load_state_dict({"state": state, "param_groups": groups})
    assert go(again, restored, range(3, 6)) == whole
    for key, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[key])
    for before, after in zip(model.parameters(), again.parameters(), strict=True):
        for key, value in optimizer.state[before].items():
            assert torch.equal(value, restored.state[after][key])


@pytest.mark.parametrize("key", ["momentum_buffer", "exp_avg", "step"])
def test_a_state_that_lacks_something_is_refused(key: str) -> None:
    model, optimizer = toy()
    go(model, optimizer, range(1))
    damaged = checkpoint(model, optimizer)
    number = next(n for n, values in damaged.optimizer["state"].items() if key in values)
    del damaged.optimizer["state"][number][key]
    with pytest.raises(ValueError, match=rf"parameter {number}: not .*{key}"):
        optimizer_state_of(damaged, "muon", optimizer.param_groups)
