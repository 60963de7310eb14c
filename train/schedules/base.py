"""What every schedule is: a function of the step that keeps nothing.

A schedule maps a step to a factor in 0..1; every parameter group's learning rate is that factor
times the group's own peak. Steps are optimiser steps, counted from 0 where the warm-up ends.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

from augcli.train.config import TrainConfig


@dataclass(frozen=True)
class Span:
    """The part of a run that a schedule has: all but the warm-up."""

    steps: int
    steps_per_epoch: int
    warmup: int = 0
    """Steps of the run before the schedule's first."""
    floor: float | None = None
    """The least factor asked for (`--min-lr` over the peak), 0..1, or None."""

    def after_epochs(self, epochs: float) -> int:
        """The schedule's step at which the run, its warm-up included, has had `epochs`."""
        return round(epochs * self.steps_per_epoch) - self.warmup


@dataclass(frozen=True)
class PlateauState:
    """What `plateau` has seen of validation; with every other schedule it stays as it begins."""

    best: float | None = None
    """The least validation loss that counted as better, or None before the first."""
    bad_epochs: int = 0
    """Epochs in turn that were not better."""
    factor: float = 1.0
    """What the learning rate has been reduced to, 0..1 of its peak."""


NOTHING_SEEN = PlateauState()


@dataclass(frozen=True)
class Schedule(ABC):
    """A schedule made for one run."""

    options: ClassVar[tuple[str, ...]]
    """Fields of the config that go with it."""
    own_warmup: ClassVar[bool] = False
    """Whether it starts low by itself, so that no linear warm-up goes before it."""
    corner: ClassVar[str] = "turn"
    """What happens at each of `corners`, in one word."""

    @classmethod
    @abstractmethod
    def made(cls, config: TrainConfig, span: Span) -> Self:
        """The schedule that `config` asks for over `span`.

        Raises:
            UsageError: an option that doesn't suit the run.
        """

    @abstractmethod
    def factor(self, step: int) -> float:
        """The factor, 0..1, of `step` from 0 to the span's last."""

    def cycle_ends(self) -> tuple[int, ...]:
        """After how many steps each whole cycle ends, within the span; () without cycles."""
        return ()

    def corners(self) -> tuple[int, ...]:
        """Steps but the first at which the factor jumps or turns round."""
        return ()

    def after_epoch(self, state: PlateauState, validation_loss: float | None) -> PlateauState:
        """The state after one more epoch."""
        return state


@dataclass(frozen=True)
class Fall(Schedule):
    """From the peak to `floor` once, over all `steps`: one cycle."""

    steps: int
    floor: float

    options = ("warmup_epochs", "min_lr")

    @classmethod
    def made(cls, config: TrainConfig, span: Span) -> Self:
        return cls(span.steps, span.floor or 0.0)

    def cycle_ends(self) -> tuple[int, ...]:
        return (self.steps,)
