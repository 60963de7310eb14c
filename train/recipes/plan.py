"""The recipe as a list of trainings: which layers learn, from what, for how long.

After fast.ai's lessons on fine-tuning (J. Howard, "Practical deep learning for coders", 2018,
lesson 2; Howard and Ruder 2018, https://arxiv.org/abs/1801.06146; warm restarts by Loshchilov and
Hutter 2017, https://arxiv.org/abs/1608.03983).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from augcli.train.config import FROZEN_NORMS, TrainConfig
from augcli.train.recipes.config import RecipeConfig
from augcli.train.record import Row

AUTO = "auto"
HEAD_ONLY = -1


STEPS_OF_COURSE = 2
"""Of the learning rate, between its three layer groups."""


@dataclass(frozen=True)
class Step:
    """One training of the recipe."""

    name: str
    """Of its folder and in the report."""
    does: str
    """In a sentence."""
    config: TrainConfig
    unfrozen: bool = False


def head_steps(config: RecipeConfig, shards: str) -> list[Step]:
    """The trainings of the head, each to begin with the weights of the one before.

    The second one's learning rate is that of the first.
    """
    base = _base(config, shards)
    frozen = dataclasses.replace(
        base,
        freeze_to=HEAD_ONLY,
        freeze_bn=FROZEN_NORMS[0] if config.freeze_bn else None,
    )
    first = Step(
        "head-activations",
        "the frozen layers see each stored view once; the head learns on what they made of it",
        dataclasses.replace(
            frozen, precompute=True, epochs=config.head_epochs, sched="cosine", lr=_lr(config)
        ),
    )
    if not config.head_cycles:
        return [first]
    second = Step(
        "head-views",
        f"the head learns on augmented views, in cycles of {_epochs(config.cycle_len)}",
        dataclasses.replace(
            frozen,
            epochs=config.head_cycles * config.cycle_len,
            sched="sgdr",
            cycle_len=config.cycle_len,
            cycle_mult=1,
        ),
    )
    return [first, second]


def cycle_step(config: RecipeConfig, shards: str, number: int, groups: int) -> Step:
    """Cycle `number`, from 1, of all layers, each longer than the last.

    The course cuts a network into three groups; of the model's `groups` layer groups each learns
    so much faster than the one before it that from the first to the head it is as much.
    """
    epochs = config.cycle_len * config.cycle_mult ** (number - 1)
    faster = config.lr_mult ** (STEPS_OF_COURSE / (groups - 1))
    return Step(
        f"all-cycle-{number}",
        f"all layers learn, each of {groups} groups {faster:.3g} times as fast as the one before "
        f"it, for a cycle of {_epochs(epochs)}",
        dataclasses.replace(
            _base(config, shards),
            epochs=epochs,
            sched="cosine",
            warmup_epochs=0.0,
            lr_mult=float(f"{faster:.3g}"),
            lr=_lr(config),
        ),
        unfrozen=True,
    )


def continued(step: Step, folder: Path, weights: Path, lr: float | None) -> Step:
    """`step` in its folder, from the weights of another, at its rate unless that is None."""
    config = dataclasses.replace(step.config, out=folder / step.name, weights=str(weights))
    if lr is not None:
        config = dataclasses.replace(config, lr=lr)
    return dataclasses.replace(step, config=config)


def _base(config: RecipeConfig, shards: str) -> TrainConfig:
    """What all trainings share."""
    names = {field.name for field in dataclasses.fields(TrainConfig)}
    own = (
        *("data", "policy", "size", "shards", "weights", "freeze_bn", "out"),
        *("lr", "lr_mult", "cycle_len", "cycle_mult"),
    )
    shared = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if field.name in names and field.name not in own
    }
    return TrainConfig(source="shards", shards=shards, weights=config.weights, **shared)


def _epochs(count: int) -> str:
    return "1 epoch" if count == 1 else f"{count} epochs"


def _lr(config: RecipeConfig) -> float | str:
    return AUTO if config.lr is None else config.lr


@dataclass(frozen=True)
class Judgement:
    """Whether to go on with longer cycles, and why not."""

    goes_on: bool
    reason: str


def judge(before: Sequence[Row], now: Row) -> Judgement:
    """Hold the end of a cycle against the ends of those before it.

    Over-fitting is told from having learnt all that there is by the training loss, which still
    falls.
    """
    if now.val_loss is None or not before:
        return Judgement(True, "nothing to compare with yet")
    losses = [row.val_loss for row in before if row.val_loss is not None]
    best = min(losses)
    if now.val_loss < best:
        return Judgement(True, f"validation loss fell from {best:.4f} to {now.val_loss:.4f}")
    rose = f"validation loss rose from {best:.4f} to {now.val_loss:.4f}"
    if now.train_loss < before[-1].train_loss:
        fell = f"training loss fell from {before[-1].train_loss:.4f} to {now.train_loss:.4f}"
        return Judgement(False, f"over-fitting: {rose} while {fell}")
    return Judgement(False, f"no further gain: {rose}, and training loss did not fall")
