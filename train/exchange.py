"""One step of all ranks: as if one process had taken it on the whole batch.

The loss of a batch is the mean over its samples, wherever they are. So each rank's gradients
count by its share of the samples, also when shares differ, views were skipped or a share is empty;
then their sum is the gradient of the whole batch. Batch norm sees the rank's own share; its moving
statistics are averaged in the same way, so that every rank has the same model after each step.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from augcli.train.step import StepOutcome
from augcli.train.stop import StopRequest
from augcli.train.together import Together


class Exchange:
    """Gradients and moving statistics in one piece of memory, to be summed at once.

    Gradients are written there in the first place: the parameters' `grad` are parts of it. The
    layout follows from which parameters are trained, so that sums are added in the same order
    after a restart.
    """

    def __init__(self, model: nn.Module, together: Together) -> None:
        self._together = together
        self._model = model
        self._buffers = [each for each in model.buffers() if each.is_floating_point()]
        self._trained: list[nn.Parameter] = []
        self._lay_out()

    def begin(self) -> None:
        """Before this rank's part of a step."""
        if list(map(id, self._trained)) != list(map(id, self._trainable())):
            self._lay_out()
        self._flat.zero_()
        for parameter, gradient in zip(self._trained, self._gradients, strict=True):
            parameter.grad = gradient
        self._before = self._statistics()

    def outcome(self, own: StepOutcome, stop: StopRequest) -> StepOutcome:
        """What all ranks saw in this step; `stop` hears who wants to stop.

        The loss is NaN where that of any rank is no finite number.
        """
        mine = [own.loss * own.samples, own.correct, own.samples, own.skipped, *stop.votes]
        loss_sum, correct, samples, skipped, *votes = self._together.sums(mine)
        stop.count(votes)
        loss = loss_sum / samples if samples else 0.0
        loss = loss if math.isfinite(loss) else math.nan
        return StepOutcome(loss, int(correct), int(samples), int(skipped))

    def combine(self, share: float) -> None:
        """Make gradients and statistics those of all ranks; this one had `share` of the samples.

        Its gradients are those of the mean over its own.
        """
        now = self._statistics()
        moved = torch.where(now == self._before, 0.0, now - self._before)  # infinite ones stay
        self._changes.copy_(moved)
        self._flat.mul_(share)
        self._together.add_(self._flat)
        statistics = self._before + self._changes
        sizes = [buffer.numel() for buffer in self._buffers]
        for buffer, part in zip(self._buffers, torch.split(statistics, sizes), strict=True):
            buffer.copy_(part.view(buffer.shape))

    def _trainable(self) -> list[nn.Parameter]:
        return [each for each in self._model.parameters() if each.requires_grad]

    def _lay_out(self) -> None:
        for parameter in self._trained:
            parameter.grad = None
        self._trained = self._trainable()
        tensors = [*self._trained, *self._buffers]
        assert {tensor.dtype for tensor in tensors} == {torch.float32}
        sizes = [tensor.numel() for tensor in tensors]
        self._flat = torch.zeros(sum(sizes), device=tensors[0].device)
        parts = torch.split(self._flat, sizes)[: len(self._trained)]
        self._gradients = [
            part.as_strided(parameter.shape, parameter.stride())
            for part, parameter in zip(parts, self._trained, strict=True)
        ]
        self._changes = self._flat[sum(sizes[: len(self._trained)]) :]
        self._before = self._statistics()

    def _statistics(self) -> torch.Tensor:
        """The floating-point buffers, one after another."""
        return torch.cat([self._flat[:0], *(buffer.reshape(-1) for buffer in self._buffers)])
