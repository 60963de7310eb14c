"""Muon: momentum whose every update of a matrix is made orthogonal, and AdamW for the rest.

K. Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks",
https://kellerjordan.github.io/posts/muon/. A kernel of a convolution is the matrix of shape
(outputs, inputs / groups * height * width) that it multiplies patches with. `torch.optim.Muon`
takes matrices only, and knows nothing of what it can't take.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.optimizer import required

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""a, b and c of the polynomial aX + bX³ + cX⁵, which draws singular values in 0..1 to near 1 fast,
rather than exactly."""
ITERATIONS = 3
"""As the author takes for convolutional networks, for whose matrices it is enough (K. Jordan,
airbench94_muon.py, https://github.com/KellerJordan/cifar10-airbench); the post has 5."""
MOMENTUM = 0.95
BETAS = (0.9, 0.999)
EPS = 1e-8
"""Of AdamW, as in torch."""


def orthogonalise(matrix: torch.Tensor) -> torch.Tensor:
    """(rows, columns) -> the same shape, about U Vᵀ of the matrix U S Vᵀ, by Newton and Schulz.

    Singular values come to 0.6..1.2, but for those that are tiny beside all together. Computed in
    bfloat16 on GPUs, as the post does, and in the matrix's own precision on CPUs.
    """
    wide = matrix.to(torch.bfloat16) if matrix.is_cuda else matrix
    tall = matrix.shape[0] > matrix.shape[1]
    wide = wide.T if tall else wide
    wide = wide / (wide.norm() + 1e-7)  # its largest singular value is then at most 1
    # bfloat16 has too few digits for powers of the square.
    wide = _iterated(wide) if wide.dtype == torch.bfloat16 else _by_square(wide) @ wide
    orthogonal: torch.Tensor = wide.T if tall else wide
    return orthogonal.to(matrix.dtype)


def _iterated(wide: torch.Tensor) -> torch.Tensor:
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        square = wide @ wide.T
        wide = a * wide + (b * square + c * square @ square) @ wide
    return wide


def _by_square(wide: torch.Tensor) -> torch.Tensor:
    """The square matrix that `_iterated` amounts to: kernels are several times as wide as high.

    Every iteration multiplies with a polynomial of X Xᵀ; those commute, so that the square of
    what it makes is known without making it. 2 to 3 times as fast for 256 x 2304.
    """
    a, b, c = COEFFICIENTS
    square = wide @ wide.T
    product = torch.eye(len(wide), dtype=wide.dtype, device=wide.device)
    for _ in range(ITERATIONS):
        factor = torch.addmm(square, square, square, beta=b, alpha=c)
        factor.diagonal().add_(a)
        product = factor @ product
        square = factor @ square @ factor
    return product


class Muon(Optimizer):
    """Groups say with `muon` (bool) which of both methods changes their parameters.

    Weight decay is decoupled in both: weights shrink by lr * weight_decay in each step. The state
    of a parameter is `momentum_buffer`, or AdamW's `step`, `exp_avg` and `exp_avg_sq`.
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        """Raises: ValueError: a group doesn't say `lr` or `muon`."""
        super().__init__(groups, {"lr": required, "weight_decay": 0.0, "muon": required})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Change each parameter that has a gradient; gradients stay as they are."""
        for group in self.param_groups:
            change = self._orthogonal_step if group["muon"] else self._adamw_step
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    change(parameter, parameter.grad, group["lr"])

    def _orthogonal_step(self, parameter: torch.Tensor, gradient: torch.Tensor, lr: float) -> None:
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        momentum = state["momentum_buffer"].mul_(MOMENTUM).add_(gradient)
        nesterov = gradient + MOMENTUM * momentum
        update = orthogonalise(nesterov.reshape(len(parameter), -1))
        rows, columns = update.shape
        scale = max(1.0, rows / columns) ** 0.5
        parameter.sub_(update.reshape(parameter.shape), alpha=lr * scale)

    def _adamw_step(self, parameter: torch.Tensor, gradient: torch.Tensor, lr: float) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.tensor(0.0)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        state["step"] += 1
        step = state["step"].item()
        mean = state["exp_avg"].lerp_(gradient, 1 - BETAS[0])
        square = state["exp_avg_sq"].mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        size = (square / (1 - BETAS[1] ** step)).sqrt_().add_(EPS)
        parameter.addcdiv_(mean, size, value=-lr / (1 - BETAS[0] ** step))
