"""A trainer whose schedule must know its epochs: steps are timed first, then it is planned."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from side_by_side.minutes.outcome import Outcome, Right
from side_by_side.minutes.planning import (
    PROBE_SHARE,
    WARM_UP_STEPS,
    Probe,
    Stopwatch,
    plan_epochs,
)
from side_by_side.minutes.work import TEST, VALIDATION, MinutesWork

Batches = Iterable[tuple[Tensor, Tensor]]
"""Images, normalised float32 (B, 3, H, W), and labels (B,), or soft ones (B, classes)."""


class ByEpochs(ABC):
    """Times its own steps, and trains as many epochs as it is told to."""

    note = ""

    @abstractmethod
    def probe(self, most_seconds: float) -> Probe:
        """Time the steps of an epoch, after some that aren't, for about so long at most."""

    @abstractmethod
    def prepare(self, epochs: int) -> None:
        """New weights, an optimiser, and a schedule that ends with so many epochs: not timed."""

    @abstractmethod
    def train(self, epochs: int) -> int:
        """Train, with loader workers started anew; how many images were seen."""

    @abstractmethod
    def model(self) -> nn.Module:
        """What was trained."""

    @abstractmethod
    def batches(self, split: str) -> Batches:
        """The images of a split, as this trainer likes them for evaluation."""


class Loop(ByEpochs):
    """A trainer that is a loop over batches."""

    @abstractmethod
    def loader(self) -> Any:
        """Batches to train from; its length is that of an epoch."""

    @abstractmethod
    def step(self, images: Tensor, labels: Tensor) -> None:
        """Forward, backward, optimiser and what the schedule does in each step."""

    def end_epoch(self, epoch: int) -> None:
        """What the schedule does after an epoch, counted from 1."""

    def probe(self, most_seconds: float) -> Probe:
        """Time steps of a model that is thrown away."""
        self.prepare(epochs=1)
        for images, labels in islice(self.loader(), WARM_UP_STEPS):
            self.step(images, labels)
        loader = self.loader()
        watch = Stopwatch(most_seconds=most_seconds)
        for images, labels in loader:
            self.step(images, labels)
            if watch.step():
                break
        return watch.probe(len(loader))

    def train(self, epochs: int) -> int:
        """One epoch after another."""
        loader, seen = self.loader(), 0
        for epoch in range(epochs):
            for images, labels in loader:
                self.step(images, labels)
                seen += len(images)
            self.end_epoch(epoch + 1)
        return seen


def run_planned(trainer: ByEpochs, work: MinutesWork) -> Outcome:
    """Probe, plan, train, count what is right."""
    plan = plan_epochs(trainer.probe(PROBE_SHARE * work.seconds), work.seconds)
    trainer.prepare(plan.epochs)
    began = time.perf_counter()
    seen = trainer.train(plan.epochs)
    seconds = time.perf_counter() - began
    model = trainer.model().eval()
    return Outcome(
        epochs=plan.epochs,
        seconds=seconds,
        images_per_second=seen / seconds,
        validation=count_right(model, trainer.batches(VALIDATION)),
        test=count_right(model, trainer.batches(TEST)),
        time_for=plan.time_for,
        note=trainer.note,
    )


@torch.inference_mode()
def count_right(model: nn.Module, batches: Batches) -> Right:
    """How many images a model (in evaluation mode, giving logits) gets right."""
    right = Right(0, 0, 0)
    for images, labels in batches:
        plain = model(images).softmax(1)
        both = plain + model(images.flip(-1)).softmax(1)
        right += Right(
            len(labels),
            int((plain.argmax(1) == labels).sum()),
            int((both.argmax(1) == labels).sum()),
        )
    return right
