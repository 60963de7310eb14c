"""Evaluation of a model on one split: every sample exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from augcli.manifests.errors import AugcliError
from augcli.train import metrics
from augcli.train.batch import Source
from augcli.train.feeding import on_device
from augcli.train.step import normalise


@dataclass(frozen=True)
class Evaluation:
    """What a model did on one split."""

    loss: float
    """Mean cross-entropy per sample, in nats, without label smoothing."""
    accuracy: float
    """0..1."""
    confusion: metrics.Counts
    """(classes, classes) int64, rows are true classes."""
    n: int
    """Samples."""
    skipped: int = 0
    """Samples left out because they could not be read."""

    @property
    def correct(self) -> int:
        """Samples recognised."""
        return int(np.trace(self.confusion))

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of `accuracy`."""
        return metrics.wilson_interval(self.correct, self.n)


def evaluate(model: nn.Module, source: Source, device: torch.device) -> Evaluation:
    """Measure `model`, on `device`, over epoch 0 of `source`; its modes are left as they were.

    Raises:
        AugcliError: `source` has no samples, or gave more or fewer than it has. Samples that it
            skips and names are left out.
    """
    losses, predicted, true = [], [], []
    classes = skipped = 0
    with _evaluating(model), torch.inference_mode():
        for batch in on_device(source.batches(0), device):
            skipped += len(batch.faults)
            if not len(batch):
                continue
            labels = batch.labels.to(device, non_blocking=True)
            logits = model(normalise(batch.images, device))
            classes = logits.shape[1]
            losses.append(functional.cross_entropy(logits, labels, reduction="none").cpu().numpy())
            predicted.append(logits.argmax(dim=1).cpu().numpy())
            true.append(batch.labels.cpu().numpy())
    n = sum(map(len, true))
    if n + skipped != source.samples or n == 0:
        left_out = f" and left {skipped} out" if skipped else ""
        raise AugcliError(
            f"evaluation got {n} samples{left_out} where the split has {source.samples}"
        )
    confusion = metrics.confusion_matrix(np.concatenate(true), np.concatenate(predicted), classes)
    return Evaluation(
        loss=metrics.mean_loss(np.concatenate(losses)),
        accuracy=metrics.accuracy(confusion),
        confusion=confusion,
        n=n,
        skipped=skipped,
    )


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, then each module's own mode again: some may be frozen within a model."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
