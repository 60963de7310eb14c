"""The state of a run between two steps: what a checkpoint saves, and what a step changes."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import nn

from augcli.manifests.hashing import view_seed
from augcli.train.activations import check_precompute, precomputed
from augcli.train.alteration import Alteration
from augcli.train.averages import EMA, RAW, Averages
from augcli.train.batch import Batch, Sources
from augcli.train.budget import Clock, parse_duration
from augcli.train.checkpoint import Totals
from augcli.train.config import TrainConfig
from augcli.train.course import build_course
from augcli.train.evaluate import Evaluation
from augcli.train.exchange import Exchange
from augcli.train.forward import Forward
from augcli.train.heads import Backbone, Features, Head
from augcli.train.layer_groups import layer_groups
from augcli.train.learner import build_learner
from augcli.train.models import check_forward
from augcli.train.optimizers import optimiser_of, resolve_lr, set_lr
from augcli.train.pace import Stage
from augcli.train.random_state import seed_draws
from augcli.train.record import Row
from augcli.train.schedules.base import NOTHING_SEEN
from augcli.train.sizes import ONE_SIZE, last_size
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
        clock: Clock | None = None,
    ) -> None:
        """A run that has not started, or, with `config.resume`, one to be restored.

        Raises:
            UsageError: the model is unknown or can't take these images or these batches, an option
                that doesn't suit it, or too few samples for so many ranks.
        """
        self.model_name, self.classes = config.model, sources.classes
        self.identity = identity
        self.device = device
        self.together = together
        self.clock = clock or Clock()
        budget = config.budget
        self._budget_seconds = None if budget is None else parse_duration("--budget", budget)
        self.validated = sources.validation is not None
        course = build_course(
            config,
            sources.size[0],
            sources.train.samples,
            together.world.share,
            validated=self.validated,
        )
        self.timeline, self.schedule = course.timeline, course.schedule
        largest = last_size(config, sources.size[0])
        self.size = sources.size if config.sizes in ONE_SIZE else (largest, largest)
        learner = build_learner(
            config,
            sources.classes,
            self.size,
            device,
            self.timeline.smallest_batch(self.timeline.stages[-1]),
            pretrained=not config.resume,
        )
        self.weights = learner.weights
        self.model, self.optimizer = learner.model, learner.optimizer
        self._memory = config.memory
        self.forward = learner.forward
        if config.sizes not in ONE_SIZE:
            self.forward = dataclasses.replace(learner.forward, size=largest)
            for stage in self.timeline.stages:
                least = max(1, self.timeline.smallest_batch(stage) // config.accumulate)
                check_forward(self.model, config.model, (stage.size, stage.size), min(2, least))
        exchange = None if together.is_alone else Exchange(self.model, together)
        self._head: Head | None = None
        if config.precompute:
            check_precompute(config, sources.train, learner.groups, together.world.ranks)
            self._head = Head(self.model, learner.groups)
        self._step = Step(self.shown, self.optimizer, self.shown_by, learner.rules, exchange)
        self.scaler = self._step.scaler
        self._lr = resolve_lr(optimiser_of(config), config.lr, config.lrs)
        self.alteration = Alteration(config, sources)
        self.plateau = NOTHING_SEEN
        self._factor = 0.0
        self.averages = Averages(self.model, config.ema, config.swa_start)
        self.snapshots: list[int] = []
        self.epoch, self.batch, self.steps = 0, 0, 0
        self.totals = Totals()
        self.rows: list[Row] = []
        self.best_epoch: int | None = None
        self.ended_by: str | None = None
        """Why the run has no more epochs, once it hasn't."""
        seed_draws(_seed_of(together.world.rank, config.seed), device)

    @property
    def shown(self) -> nn.Module:
        """What batches are shown to: the model, or its head, which sees activations."""
        return self._head or self.model

    @property
    def shown_by(self) -> Forward:
        """How they are."""
        return self.forward if self._head is None else Features(self.device)

    def prepared(self, sources: Sources) -> Sources:
        """What `shown` is to be shown of `sources`: views, or activations of what is frozen."""
        if self._head is None:
            return sources
        backbone = Backbone(self.model, self._head, self.forward, sources.size)
        return precomputed(sources, backbone, self._memory)

    @property
    def judged(self) -> nn.Module:
        """What validation is shown to: the average, where there is one."""
        if self.averages.ema is None:
            return self.shown
        model = self.averages.ema.model
        return model if self._head is None else Head(model, layer_groups(model, self.model_name))

    @property
    def best(self) -> tuple[str, nn.Module]:
        """What is kept of the best epoch: what its weights are, and the model that has them."""
        ema = self.averages.ema
        return (RAW, self.model) if ema is None else (EMA, ema.model)

    @property
    def lr(self) -> float:
        """The learning rate of the first parameter group in the last step."""
        return self._lr * self._factor

    @property
    def done(self) -> float:
        """The part of the run, 0..1, that is done: of its work or, with a budget, of its time."""
        if self._budget_seconds is None:
            return self.timeline.work(self.epoch, self.batch)
        return min(1.0, self.clock.spent() / self._budget_seconds)

    @property
    def batches(self) -> int:
        """Steps of the running epoch."""
        return self.timeline.batches(self.epoch)

    @property
    def stage(self) -> Stage:
        """That of the running epoch."""
        return self.timeline.stage(self.epoch)

    def step(self, batch: Batch, stop: StopRequest) -> StepOutcome:
        """One optimiser step, and the position after it; ranks agree in it on whether to stop.

        Raises:
            FloatingPointError: the loss is NaN or infinite.
        """
        self.take_rate(self.epoch, self.batch)
        size = None if self.forward.size is None else self.stage.size
        if size is not None:
            self._step.forward = dataclasses.replace(self.forward, size=size)
        alter = self.alteration.of(batch, self.epoch, self.batch, size)
        outcome = self._step(batch, alter, stop)
        self.totals = dataclasses.replace(
            self.totals,
            loss_sum=self.totals.loss_sum + outcome.loss * outcome.samples,
            correct=self.totals.correct + outcome.correct,
            samples=self.totals.samples + outcome.samples,
            skipped=self.totals.skipped + outcome.skipped,
        )
        self.batch += 1
        self.steps += 1
        self.averages.after_step(self.steps)
        return outcome

    def take_forward(self) -> None:
        """Have steps show batches as `forward` says, which has changed."""
        self._step.forward = self.shown_by

    def take_rate(self, epoch: int, batch: int) -> None:
        """Give the optimiser the learning rates of a step."""
        position = self.timeline.position(epoch, batch)
        self._factor = self.schedule.factor(position, self.plateau)
        set_lr(self.optimizer, self._factor)

    def add_time(self, seconds: float, data_wait_seconds: float) -> None:
        """Count wall time to the running epoch; the wait is a part of `seconds`."""
        self.totals = dataclasses.replace(
            self.totals,
            seconds=self.totals.seconds + seconds,
            data_wait_seconds=self.totals.data_wait_seconds + data_wait_seconds,
        )

    def close_epoch(self, validation: Evaluation | None, validation_seconds: float) -> Row:
        """Make the running epoch's row, judge it, and stand at the start of the next epoch.

        Times are those of the slowest rank.
        """
        totals = self.totals
        seconds, data_wait_seconds, validation_seconds = self.together.greatest(
            [totals.seconds, totals.data_wait_seconds, validation_seconds]
        )
        row = Row(
            epoch=self.epoch + 1,
            train_loss=totals.loss_sum / totals.samples,
            train_accuracy=totals.correct / totals.samples,
            skipped=totals.skipped,
            val_loss=validation.loss if validation else None,
            val_accuracy=validation.accuracy if validation else None,
            lr=self.lr,
            seconds=seconds,
            data_wait_seconds=data_wait_seconds,
            images_per_second=totals.samples / seconds,
            validation_seconds=validation_seconds,
            size=self.stage.size,
            batch_size=self.stage.batch_size,
        )
        if self.best_epoch is None or is_better(row, self.rows[self.best_epoch - 1]):
            self.best_epoch = row.epoch
        self.rows.append(row)
        self.plateau = self.schedule.after_epoch(self.plateau, row.val_loss)
        self.epoch, self.batch, self.totals = self.epoch + 1, 0, Totals()
        self.averages.after_epoch(self.timeline.progress(self.epoch, 0))
        return row


def _seed_of(rank: int, seed: int) -> int:
    """Another for each rank: torch takes 64 bits."""
    return seed if rank == 0 else view_seed(seed, "draws of a rank", rank) % 2**63


def is_better(row: Row, best: Row) -> bool:
    """By validation accuracy, then lower loss, then the earlier; without validation the later."""
    if row.val_accuracy is None or row.val_loss is None:
        return True
    assert best.val_accuracy is not None and best.val_loss is not None
    return (row.val_accuracy, -row.val_loss) > (best.val_accuracy, -best.val_loss)
