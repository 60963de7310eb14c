"""The state of a run between two steps: what a checkpoint saves, and what a step changes."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch

from augcli.manifests.errors import UsageError
from augcli.manifests.hashing import view_seed
from augcli.train.activations import check_precompute, precomputed
from augcli.train.alteration import Alteration
from augcli.train.batch import Batch, Sources
from augcli.train.checkpoint import Checkpoint, Totals, plain_totals
from augcli.train.config import TrainConfig
from augcli.train.evaluate import Evaluation
from augcli.train.exchange import Exchange
from augcli.train.heads import Backbone, Features, Head
from augcli.train.learner import build_learner
from augcli.train.optimizers import resolve_lr, set_lr
from augcli.train.order import LEAST_PER_RANK
from augcli.train.random_state import seed_draws
from augcli.train.record import Row
from augcli.train.restoring import (
    Extent,
    channels_of,
    check_position,
    optimizer_state_of,
    plateau_of,
    rows_of,
    totals_of,
)
from augcli.train.schedules.base import NOTHING_SEEN
from augcli.train.schedules.registry import build_schedule
from augcli.train.step import Step, StepOutcome
from augcli.train.stop import StopRequest
from augcli.train.together import Together


class RunState:
    """Model, optimiser, position and history of one run. Its randomness is torch's global one.

    Of several ranks all have the same state, but each its own randomness.
    """

    def __init__(
        self,
        config: TrainConfig,
        sources: Sources,
        identity: dict[str, Any],
        device: torch.device,
        together: Together,
    ) -> None:
        """A run that has not started, or, with `config.resume`, one to be restored.

        Raises:
            UsageError: the model is unknown or can't take these images or these batches, an option
                that doesn't suit it, or too few samples for so many ranks.
        """
        self.model_name, self.classes, self.size = config.model, sources.classes, sources.size
        self.identity = identity
        self.device = device
        self.together = together
        _check_shares(config, sources, together.world.ranks)
        learner = build_learner(
            config,
            sources.classes,
            sources.size,
            device,
            sources.train.smallest_batch,
            pretrained=not config.resume,
        )
        self.weights = learner.weights
        self.model, self.optimizer = learner.model, learner.optimizer
        self._memory = config.memory
        self.forward = learner.forward
        exchange = None if together.is_alone else Exchange(self.model, together)
        self.shown, self.shown_by = self.model, self.forward
        if config.precompute:
            check_precompute(config, sources.train, learner.groups, together.world.ranks)
            self.shown, self.shown_by = Head(self.model, learner.groups), Features(device)
        self._step = Step(self.shown, self.optimizer, self.shown_by, learner.rules, exchange)
        self._lr = resolve_lr(config.opt, config.lr, config.lrs)
        self.batches_per_epoch = sources.train.batches_per_epoch
        self._alteration = Alteration(config, sources)
        self._opt = config.opt
        self._extent = Extent(
            epochs=config.epochs,
            batches_per_epoch=self.batches_per_epoch,
            batch_size=config.batch_size,
            samples=sources.train.samples,
            ranks=together.world.ranks,
            validated=sources.validation is not None,
        )
        self.schedule = build_schedule(
            config, self.batches_per_epoch, validated=sources.validation is not None
        )
        self.plateau = NOTHING_SEEN
        self._factor = 0.0
        self.epoch, self.batch = 0, 0
        self.totals = Totals()
        self.rows: list[Row] = []
        self.best_epoch: int | None = None
        seed_draws(_seed_of(together.world.rank, config.seed), device)

    def prepared(self, sources: Sources) -> Sources:
        """What `shown` is to be shown of `sources`: views, or activations of what is frozen."""
        if not isinstance(self.shown, Head):
            return sources
        backbone = Backbone(self.model, self.shown, self.forward, sources.size)
        return precomputed(sources, backbone, self._memory)

    def step(self, batch: Batch, stop: StopRequest) -> StepOutcome:
        """One optimiser step, and the position after it; ranks agree in it on whether to stop.

        Raises:
            FloatingPointError: the loss is NaN or infinite.
        """
        position = self.epoch * self.batches_per_epoch + self.batch
        self._factor = self.schedule.factor(position, self.plateau)
        set_lr(self.optimizer, self._factor)
        outcome = self._step(batch, self._alteration.of(batch, self.epoch, self.batch), stop)
        self.totals = dataclasses.replace(
            self.totals,
            loss_sum=self.totals.loss_sum + outcome.loss * outcome.samples,
            correct=self.totals.correct + outcome.correct,
            samples=self.totals.samples + outcome.samples,
            skipped=self.totals.skipped + outcome.skipped,
        )
        self.batch += 1
        return outcome

    def add_time(self, seconds: float, data_wait_seconds: float) -> None:
        """Count wall time to the running epoch; the wait is a part of `seconds`."""
        self.totals = dataclasses.replace(
            self.totals,
            seconds=self.totals.seconds + seconds,
            data_wait_seconds=self.totals.data_wait_seconds + data_wait_seconds,
        )

    def close_epoch(self, validation: Evaluation | None) -> Row:
        """Make the running epoch's row, judge it, and stand at the start of the next epoch.

        Times are those of the slowest rank.
        """
        totals = self.totals
        seconds, data_wait_seconds = self.together.greatest(
            [totals.seconds, totals.data_wait_seconds]
        )
        row = Row(
            epoch=self.epoch + 1,
            train_loss=totals.loss_sum / totals.samples,
            train_accuracy=totals.correct / totals.samples,
            skipped=totals.skipped,
            val_loss=validation.loss if validation else None,
            val_accuracy=validation.accuracy if validation else None,
            lr=self._lr * self._factor,
            seconds=seconds,
            data_wait_seconds=data_wait_seconds,
            images_per_second=totals.samples / seconds,
        )
        if self.best_epoch is None or is_better(row, self.rows[self.best_epoch - 1]):
            self.best_epoch = row.epoch
        self.rows.append(row)
        self.plateau = self.schedule.after_epoch(self.plateau, row.val_loss)
        self.epoch, self.batch, self.totals = self.epoch + 1, 0, Totals()
        return row

    def checkpoint(self) -> Checkpoint:
        """All of the state, for `last.pt`; tensors are shared with it, not copied.

        Every rank must call it: it holds the random states of all.
        """
        on_cuda = self.device.type == "cuda"
        cuda_rng = torch.cuda.get_rng_state(self.device) if on_cuda else None
        return Checkpoint(
            model_name=self.model_name,
            classes=list(self.classes),
            size=list(self.size),
            identity=self.identity,
            epoch=self.epoch,
            batch=self.batch,
            totals=plain_totals(self.totals),
            history=[dataclasses.asdict(row) for row in self.rows],
            best_epoch=self.best_epoch,
            model=dict(self.model.state_dict()),
            optimizer=self.optimizer.state_dict(),
            cpu_rng=self.together.stacked(torch.get_rng_state()),
            cuda_rng=None if cuda_rng is None else self.together.stacked(cuda_rng),
            plateau=dataclasses.asdict(self.plateau),
            mean=list(self.forward.mean),
            std=list(self.forward.std),
            scaler=self._step.scaler.state_dict(),
        )

    def best_checkpoint(self) -> Checkpoint:
        """The state without what only training needs, for `best.pt`."""
        return dataclasses.replace(
            self.checkpoint(), optimizer={}, cpu_rng=None, cuda_rng=None, scaler={}
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take over the state in `checkpoint`, whose identity was found to be the same.

        Raises:
            ValueError: it can't be what this run saved. torch raises others of its own.
        """
        check_position(checkpoint, self._extent)
        self.rows = rows_of(checkpoint, self._extent)
        self.plateau = plateau_of(checkpoint, self.rows, self.schedule)
        self.totals = totals_of(checkpoint, self._extent)
        self.model.load_state_dict(checkpoint.model)
        self._restore_optimizer(checkpoint)
        mean, std = channels_of("mean", checkpoint), channels_of("std", checkpoint)
        self.forward = dataclasses.replace(self.forward, mean=mean, std=std)
        if self.shown is self.model:
            self._step.forward = self.shown_by = self.forward
        self.epoch, self.batch = checkpoint.epoch, checkpoint.batch
        self.best_epoch = checkpoint.best_epoch
        if checkpoint.cpu_rng is None:
            raise ValueError("it lacks torch's random state")
        torch.set_rng_state(self._of_this_rank(checkpoint.cpu_rng))
        if checkpoint.cuda_rng is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(self._of_this_rank(checkpoint.cuda_rng), self.device)

    def _of_this_rank(self, random_states: torch.Tensor) -> torch.Tensor:
        if self.together.is_alone:
            return random_states
        ranks = self.together.world.ranks
        if random_states.ndim != 2 or len(random_states) != ranks:
            raise ValueError(f"its random states are not those of {ranks} ranks")
        return random_states[self.together.world.rank].clone()

    def _restore_optimizer(self, checkpoint: Checkpoint) -> None:
        """Only what it keeps for each parameter: all else follows from the config."""
        state = optimizer_state_of(checkpoint, self._opt, self.optimizer.param_groups)
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        steps = checkpoint.epoch * self.batches_per_epoch + checkpoint.batch
        if steps:
            self._factor = self.schedule.factor(steps - 1, self.plateau)
            set_lr(self.optimizer, self._factor)
        if self._step.scaler.is_enabled():
            self._step.scaler.load_state_dict(checkpoint.scaler)


def _seed_of(rank: int, seed: int) -> int:
    """Another for each rank: torch takes 64 bits."""
    return seed if rank == 0 else view_seed(seed, "draws of a rank", rank) % 2**63


def _check_shares(config: TrainConfig, sources: Sources, ranks: int) -> None:
    if ranks > 1 and sources.train.smallest_batch == 0:
        least = LEAST_PER_RANK * ranks
        raise UsageError(
            f"--batch-size {config.batch_size} and {sources.train.samples} training samples are "
            f"too few for {ranks} ranks, which share each batch: at least {least} of both are "
            "needed; use a larger --batch-size or fewer processes"
        )


def is_better(row: Row, best: Row) -> bool:
    """By validation accuracy, then lower loss, then the earlier; without validation the later."""
    if row.val_accuracy is None or row.val_loss is None:
        return True
    assert best.val_accuracy is not None and best.val_loss is not None
    return (row.val_accuracy, -row.val_loss) > (best.val_accuracy, -best.val_loss)
