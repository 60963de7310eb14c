"""What else can be had of a run at its end: the mean of weights (SWA), and snapshots together."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from augcli.train.averages import SWA
from augcli.train.batch import Source, Sources
from augcli.train.batch_norm import reestimate
from augcli.train.config import TrainConfig
from augcli.train.evaluate import Evaluation, evaluate
from augcli.train.feeding import batches_on
from augcli.train.identity import split_samples
from augcli.train.record import RunFolder
from augcli.train.saving import save_by_first, with_weights
from augcli.train.snapshots import load_ensemble
from augcli.train.state import RunState, is_better


@dataclass(frozen=True)
class Measured:
    """What a model did on the splits that there are."""

    validation: Evaluation | None
    test: Evaluation | None

    def to_json(self) -> dict[str, Any]:
        """For the run record."""
        splits = {"validation": self.validation, "test": self.test}
        return {name: brief(split) if split else None for name, split in splits.items()}


def brief(evaluation: Evaluation) -> dict[str, Any]:
    """The key figures of an evaluation."""
    return {
        "accuracy": evaluation.accuracy,
        "interval_95": list(evaluation.interval),
        "loss": evaluation.loss,
        "n": evaluation.n,
    }


@dataclass(frozen=True)
class Averaged(Measured):
    """What became of SWA."""

    epochs: int
    """How many it is the mean of."""
    is_best: bool
    """Whether it is what `best.pt` holds now."""

    def to_json(self) -> dict[str, Any]:
        """For the run record."""
        return {"epochs": self.epochs, "is_best": self.is_best, **super().to_json()}


def try_swa(sources: Sources, run: RunFolder, state: RunState) -> Averaged | None:
    """Measure the mean of the weights of epochs, and keep it as `swa.pt`; None: of no epoch.

    If it does better on validation than the best epoch, or without validation, it becomes
    `best.pt`. Test results decide nothing.
    """
    if state.averages.swa is None or not state.averages.swa_epochs:
        return None
    model = state.averages.swa.model
    if state.shown is state.model:  # with --precompute a frozen backbone keeps its statistics
        reestimate(model, _training_images(sources, state), state.forward, state.together)
    measured = _measured(model, sources, state)
    is_best = _does_better(measured.validation, state)
    averaged = with_weights(state, SWA, model)
    save_by_first(run.swa, averaged, state.together)
    if is_best:
        save_by_first(run.best, averaged, state.together)
    return Averaged(measured.validation, measured.test, state.averages.swa_epochs, is_best)


def try_snapshots(sources: Sources, run: RunFolder, state: RunState) -> Measured | None:
    """Measure the ensemble of the snapshots; None: there is none.

    Raises:
        AugcliError: one of them is missing or damaged.
    """
    if not state.snapshots:
        return None
    return _measured(load_ensemble(run, state), sources, state)


def seen_finally(config: TrainConfig, sources: Sources, state: RunState) -> int:
    """How many views models are shown after the last epoch."""
    samples = {split: count or 0 for split, count in split_samples(sources).items()}
    of_each = samples["validation"] + samples["test"]
    seen = samples["test"] or samples["validation"]
    if config.swa_start is not None:
        seen += samples["train"] + of_each
    if config.snapshots:
        seen += len(state.schedule.cycle_ends()) * of_each
    return seen


def _measured(model: nn.Module, sources: Sources, state: RunState) -> Measured:
    def measured(source: Source | None) -> Evaluation | None:
        if source is None:
            return None
        return evaluate(model, source, state.forward, state.together)

    return Measured(measured(sources.validation), measured(sources.test))


def _does_better(validation: Evaluation | None, state: RunState) -> bool:
    assert state.best_epoch is not None
    best = state.rows[state.best_epoch - 1]
    if validation is None:
        return True
    averaged = dataclasses.replace(best, val_accuracy=validation.accuracy, val_loss=validation.loss)
    return is_better(averaged, best)


def _training_images(sources: Sources, state: RunState) -> Iterator[torch.Tensor]:
    """This rank's views of the epoch that would come next, as training would show them."""
    batch_size = state.timeline.stages[-1].batch_size
    batches = batches_on(state.device, sources.train, state.epoch, batch_size=batch_size)
    for number, batch in enumerate(batches):
        alter = state.alteration.of(batch, state.epoch, number, state.forward.size)
        yield alter(batch.images.to(state.device), batch.labels.to(state.device)).images
