"""Evaluation of a model on one split: every sample exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from augcli.manifests.errors import AugcliError
from augcli.train import metrics
from augcli.train.batch import Source
from augcli.train.feeding import batches_on
from augcli.train.forward import Forward
from augcli.train.together import Together


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


def evaluate(
    model: nn.Module, source: Source, forward: Forward, together: Together | None = None
) -> Evaluation:
    """Measure `model` over epoch 0 of `source`; its modes are left as they were.

    Several ranks each show their share, and all get the evaluation of the whole.

    Raises:
        AugcliError: `source` has no samples, or did not give each once. Samples that it skips and
            names are left out.
    """
    together = together or Together()
    own, classes = _seen(model, source, forward)
    given, skipped = map(int, together.sums([len(own.indices), own.skipped]))
    if given + skipped != source.samples or given == 0:
        left_out = f" and left {skipped} out" if skipped else ""
        raise AugcliError(
            f"evaluation got {given} samples{left_out} where the split has {source.samples}"
        )
    whole = own if together.is_alone else _gathered(own, source.samples, together)
    if len(np.unique(whole.indices)) != given:
        raise AugcliError(f"evaluation got some of the {source.samples} samples more than once")
    [most_classes] = together.greatest([classes])  # a rank may have no samples at all
    confusion = metrics.confusion_matrix(whole.true, whole.predicted, int(most_classes))
    return Evaluation(
        loss=metrics.mean_loss(whole.losses),
        accuracy=metrics.accuracy(confusion),
        confusion=confusion,
        n=given,
        skipped=skipped,
    )


@dataclass(frozen=True)
class _Seen:
    """What came of samples, by their `indices`: all (N,), float32 losses, else int64."""

    indices: npt.NDArray[np.int64]
    losses: npt.NDArray[np.float32]
    predicted: npt.NDArray[np.int64]
    true: npt.NDArray[np.int64]
    skipped: int


def _seen(model: nn.Module, source: Source, forward: Forward) -> tuple[_Seen, int]:
    """This rank's share, and the number of classes: 0 without a sample."""
    indices, losses, predicted, true = [], [], [], []
    classes = skipped = 0
    with evaluating(model), torch.inference_mode():
        for batch in batches_on(forward.device, source, 0):
            skipped += len(batch.faults)
            if not len(batch):
                continue
            labels = batch.labels.to(forward.device, non_blocking=True)
            logits = forward(model, batch.images)
            classes = logits.shape[1]
            losses.append(functional.cross_entropy(logits, labels, reduction="none").cpu().numpy())
            predicted.append(logits.argmax(dim=1).cpu().numpy())
            true.append(batch.labels.cpu().numpy())
            indices.append(batch.indices)
    seen = _Seen(
        _joined(indices, np.int64),
        _joined(losses, np.float32),
        _joined(predicted, np.int64),
        _joined(true, np.int64),
        skipped,
    )
    return seen, classes


def _joined(parts: list[npt.NDArray[Any]], kind: type) -> npt.NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0, kind)


def _gathered(own: _Seen, samples: int, together: Together) -> _Seen:
    """What all ranks saw: sums in which each sample has at most one term that is not 0."""
    if len(own.indices) and not 0 <= own.indices.min() <= own.indices.max() < samples:
        raise AugcliError(f"evaluation got a sample that is none of the split's {samples}")
    losses = np.zeros(samples, np.float32)
    counts = np.zeros((3, samples), np.int64)
    np.add.at(losses, own.indices, own.losses)
    once = np.ones_like(own.indices)
    for row, values in zip(counts, (own.predicted, own.true, once), strict=True):
        np.add.at(row, own.indices, values)
    together.add_(torch.from_numpy(losses))
    together.add_(torch.from_numpy(counts))
    predicted, true, times = counts
    indices = np.repeat(np.arange(samples), times)
    return _Seen(indices, losses[indices], predicted[indices], true[indices], own.skipped)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, then each module's own mode again: some may be frozen within a model."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
