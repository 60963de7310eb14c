"""One optimiser step: loss, gradients, and what is done to them before the weights change."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.optim import Optimizer

from augcli.manifests.errors import UsageError, unknown_name
from augcli.train.batch import Batch
from augcli.train.config import DEVICES, TrainConfig
from augcli.train.forward import Forward
from augcli.train.optimizers import clip_gradients
from augcli.train.residual import Mixed, mixed_loss
from augcli.train.world import ALONE, World

if TYPE_CHECKING:
    from augcli.train.exchange import Exchange
    from augcli.train.stop import StopRequest


def choose_device(name: str, world: World = ALONE) -> torch.device:
    """`auto`, `cpu` or `cuda` -> a device; `auto` takes CUDA when there is one.

    Each rank of `world` on this machine has a CUDA device of its own.

    Raises:
        UsageError: an unknown name, `cuda` on a machine without it, or too few such devices.
    """
    if name not in DEVICES:
        raise unknown_name("device", name, DEVICES)
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UsageError(
            "--device cuda: torch sees no CUDA device here: use --device cpu, or install a torch "
            "with CUDA and check `nvidia-smi`"
        )
    if world.ranks == 1:
        return torch.device("cuda", torch.cuda.current_device())
    devices = torch.cuda.device_count()
    if world.local_ranks > devices:
        raise UsageError(
            f"{world.local_ranks} ranks on this machine, where torch sees {devices} CUDA devices: "
            f"use --nproc-per-node {devices}, or --device cpu"
        )
    return torch.device("cuda", world.local_rank)


def to_device(model: nn.Module, device: torch.device) -> nn.Module:
    """`model` itself, moved to `device`, its convolutions in channels_last memory."""
    return model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


@dataclass(frozen=True)
class StepRules:
    """How a batch becomes a step."""

    label_smoothing: float = TrainConfig.label_smoothing
    """Szegedy et al. 2016, section 7, https://arxiv.org/abs/1512.00567."""
    clip_norm: float | None = TrainConfig.clip_norm
    """The greatest norm of all gradients together."""
    accumulate: int = TrainConfig.accumulate
    """In how many parts a batch is computed, whose gradients are added."""


@dataclass(frozen=True)
class StepOutcome:
    """What one step saw before it changed the weights."""

    loss: float
    """Mean cross-entropy over the batch, without smoothing, in nats: comparable to validation
    unless images are mixed. NaN or infinite if that of the smoothed loss is."""
    correct: int
    """Images recognised; of a mixed one, the image that has the larger share."""
    samples: int
    skipped: int = 0
    """Views that the batch lacks."""


Alter = Callable[[torch.Tensor, torch.Tensor], Mixed]
"""Fresh transforms of a batch on its device: (images uint8, labels) -> both altered."""


class Step:
    """One step of `optimizer` on one batch; with an `exchange`, on what all ranks have of it."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        forward: Forward,
        rules: StepRules | None = None,
        exchange: Exchange | None = None,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.forward = forward
        self._rules = rules or StepRules()
        self._exchange = exchange
        # Small gradients are 0 in float16 (Micikevicius et al. 2018,
        # https://arxiv.org/abs/1710.03740); for other types this does nothing.
        in_half = forward.dtype == torch.float16
        self.scaler = torch.amp.GradScaler(forward.device.type, enabled=in_half)

    def __call__(
        self, batch: Batch, alter: Alter = Mixed, stop: StopRequest | None = None
    ) -> StepOutcome:
        """Change the model, which is in train mode, by one step.

        `alter` comes between the batch and the model; as it stands, it changes nothing. Nor does
        a batch without a single view. Of several ranks every one must take the step; they tell
        each other through `stop` whether to stop after it.

        Raises:
            FloatingPointError: the loss, or the norm of the gradients if it is limited, is NaN or
                infinite; the weights are as before, but the running statistics of batch
                normalisation aren't.
            OtherRankEndedError: not every rank takes the step.
        """
        if self._exchange is None:
            self.optimizer.zero_grad(set_to_none=True)
        else:
            self._exchange.begin()
        own = whole = self._gradients(batch, alter)
        if self._exchange is not None:
            assert stop is not None
            whole = self._exchange.outcome(own, stop)
        if not math.isfinite(whole.loss):
            raise FloatingPointError(f"the loss is {whole.loss}")
        if whole.samples:
            if self._exchange is not None:
                self._exchange.combine(own.samples / whole.samples)
            self._descend()
        return whole

    def _gradients(self, batch: Batch, alter: Alter) -> StepOutcome:
        """Add the gradients of the mean loss over `batch`."""
        if not len(batch):
            return StepOutcome(0.0, 0, 0, len(batch.faults))
        device = self.forward.device
        images = batch.images.to(device, non_blocking=True)
        mixed = alter(images, batch.labels.to(device, non_blocking=True))
        parts = mixed.parts(min(self._rules.accumulate, len(batch)))
        seen = [self._part(part, len(part.labels) / len(batch)) for part in parts]
        loss = sum(loss for loss, _ in seen)
        return StepOutcome(loss, sum(right for _, right in seen), len(batch), len(batch.faults))

    def _part(self, mixed: Mixed, share: float) -> tuple[float, int]:
        """`share` of a part's plain loss, and how many were recognised."""
        logits = self.forward(self.model, mixed.images)
        smoothed = mixed_loss(logits, mixed, self._rules.label_smoothing)
        with torch.no_grad():
            plain = float(mixed_loss(logits, mixed, 0.0))
            correct = int((logits.argmax(dim=1) == mixed.main_labels).sum())
        if math.isfinite(plain) and not math.isfinite(smoothed.item()):
            plain = smoothed.item()
        self.scaler.scale(smoothed * share if share < 1 else smoothed).backward()  # type: ignore[no-untyped-call]
        return plain * share, correct

    def _descend(self) -> None:
        if self._rules.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            clip_gradients(
                self.optimizer, self._rules.clip_norm, finite=not self.scaler.is_enabled()
            )
        self.scaler.step(self.optimizer)
        self.scaler.update()
