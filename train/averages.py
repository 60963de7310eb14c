"""Averages of the weights that training goes through: often better than the last ones.

EMA, an exponential moving average after every step, as in timm and TensorFlow
(https://www.tensorflow.org/api_docs/python/tf/train/ExponentialMovingAverage), and SWA, the plain
mean of the weights at the ends of epochs (Izmailov et al. 2018, https://arxiv.org/abs/1803.05407).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

RAW, EMA, SWA = "raw", "ema", "swa"
"""What weights can be: as training left them, or averaged."""


class Average:
    """A copy of a model, which moves towards it: weights, and statistics of batch normalisation."""

    def __init__(self, model: nn.Module) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False)
        pairs = [*zip(self.model.state_dict().values(), model.state_dict().values(), strict=True)]
        self._moved = [pair for pair in pairs if pair[0].is_floating_point()]
        self._copied = [pair for pair in pairs if not pair[0].is_floating_point()]

    def move(self, share: float) -> None:
        """Take `share` of the way to where the model is now; whole numbers take all of it."""
        own, other = zip(*self._moved, strict=True)
        get_ema_multi_avg_fn(1.0 - share)(own, other, None)  # type: ignore[no-untyped-call]
        for mine, its in self._copied:
            mine.copy_(its)

    def state(self) -> dict[str, Any]:
        """Its tensors by name, shared and not copied."""
        return dict(self.model.state_dict())

    def load(self, state: Mapping[str, Any]) -> None:
        """Be what `state` says. torch raises what it does not like."""
        self.model.load_state_dict(state)


class Averages:
    """Those that a run asks for.

    Attributes:
        ema: the moving average, from the start on, or None.
        swa: the mean of the weights at the ends of `swa_epochs` epochs, or None.
    """

    def __init__(self, model: nn.Module, ema_decay: float | None, swa_start: float | None) -> None:
        """Averages of `model`; SWA's epochs begin at the part `swa_start`, 0..1, of the run."""
        self._decay, self._start = ema_decay, swa_start
        self.ema = None if ema_decay is None else Average(model)
        self.swa = None if swa_start is None else Average(model)
        self.swa_epochs = 0

    def after_step(self, steps: int) -> None:
        """The model has had so many steps."""
        if self.ema is not None and self._decay is not None:
            self.ema.move(ema_share(self._decay, steps))

    def after_epoch(self, progress: float) -> None:
        """An epoch has ended, where `progress` of the run, 0..1, is done."""
        if self.swa is not None and self._start is not None and progress >= self._start:
            self.swa_epochs += 1
            self.swa.move(1 / self.swa_epochs)

    def ema_state(self) -> dict[str, Any]:
        """For a checkpoint; empty without EMA."""
        return {} if self.ema is None else self.ema.state()

    def swa_state(self) -> dict[str, Any]:
        """Likewise; empty before the first epoch of it."""
        return {} if self.swa is None or not self.swa_epochs else self.swa.state()

    def load(self, ema: Mapping[str, Any], swa: Mapping[str, Any], swa_epochs: int) -> None:
        """Go on from what a checkpoint has. torch raises what it does not like."""
        if self.ema is not None:
            self.ema.load(ema)
        if self.swa is not None and swa_epochs:
            self.swa.load(swa)
        self.swa_epochs = swa_epochs


def ema_share(decay: float, steps: int) -> float:
    """How far the average moves after step number `steps`, from 1.

    1 - min(decay, (1 + steps) / (10 + steps)), TensorFlow's, so that a short run's average isn't
    what it began with.
    """
    return 1.0 - min(decay, (1 + steps) / (10 + steps))
