"""Whether a checkpoint can be what a run saved: damage is found before anything goes on from it.

The bytes of a file may be whole and what they say not. Every function here raises ValueError,
saying what can't be so.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from augcli.train.checkpoint import Checkpoint, Totals
from augcli.train.forward import Channels
from augcli.train.optimizers import Group, build_optimizer
from augcli.train.pace import Timeline
from augcli.train.record import Row
from augcli.train.schedules.base import PlateauState
from augcli.train.schedules.registry import RunSchedule


@dataclass(frozen=True)
class Extent:
    """What a checkpoint of a run can hold."""

    timeline: Timeline
    validated: bool
    """Whether there is a validation split."""


def timeline_of(checkpoint: Checkpoint, timeline: Timeline, *, by_clock: bool) -> Timeline:
    """`timeline` with the checkpoint's marks: only a run by the clock makes some of its own."""
    marks, fixed = checkpoint.marks, list(timeline.marks)
    if not by_clock:
        if marks != fixed:
            raise ValueError(f"its marks are {marks!r} instead of {fixed}")
        return timeline
    if marks[:1] != [0]:
        raise ValueError(f"its marks are {marks!r} instead of such that begin with 0")
    for before, mark in pairwise(marks):
        _check_count("marks: one after the other", mark, before + 1, timeline.steps)
    return dataclasses.replace(timeline, marks=tuple(marks))


def check_position(checkpoint: Checkpoint, extent: Extent) -> None:
    """The checkpoint stands within the run."""
    timeline = extent.timeline
    _check_count("epoch", checkpoint.epoch, 0, timeline.planned)
    ended = timeline.is_whole and checkpoint.epoch == timeline.planned
    in_epoch = 0 if ended else timeline.batches(checkpoint.epoch)
    _check_count("batch", checkpoint.batch, 0, in_epoch)
    _check_number("spent_seconds", checkpoint.spent_seconds, math.inf)
    _check_count("swa_epochs", checkpoint.swa_epochs, 0, checkpoint.epoch)
    if checkpoint.epoch:
        _check_count("best_epoch", checkpoint.best_epoch, 1, checkpoint.epoch)
    elif checkpoint.best_epoch is not None:
        raise ValueError(f"its best_epoch is {checkpoint.best_epoch}, before any was finished")


def rows_of(checkpoint: Checkpoint, extent: Extent) -> list[Row]:
    """The finished epochs."""
    if len(checkpoint.history) != checkpoint.epoch:
        raise ValueError(
            f"its history has {len(checkpoint.history)} rows after {checkpoint.epoch} epochs"
        )
    return [
        _row(content, number, extent) for number, content in enumerate(checkpoint.history, start=1)
    ]


def _row(content: Mapping[str, Any], number: int, extent: Extent) -> Row:
    row = Row(**_fields(f"history, row {number}", content, Row))
    stage = extent.timeline.stage(number - 1)
    known = {"epoch": number, "size": stage.size, "batch_size": stage.batch_size}
    for name, value in known.items():
        _check_count(f"history, row {number}: {name}", getattr(row, name), value, value)
    for name, value in dataclasses.asdict(row).items():
        if name.startswith("val_") and not extent.validated:
            if value is not None:
                raise ValueError(f"its history, row {number}: {name} is {value} without validation")
        else:
            highest = 1.0 if name.endswith("accuracy") else math.inf
            _check_number(f"history, row {number}: {name}", value, highest)
    return row


def plateau_of(checkpoint: Checkpoint, rows: list[Row], schedule: RunSchedule) -> PlateauState:
    """What the schedule has seen of validation: it must be what `rows` hold."""
    state = PlateauState(**_fields("plateau", checkpoint.plateau, PlateauState))
    expected = schedule.after_epochs(row.val_loss for row in rows)
    if state != expected:
        raise ValueError(f"its plateau is {state} where its history makes {expected}")
    return expected


def totals_of(checkpoint: Checkpoint, extent: Extent) -> Totals:
    """The sums of the running epoch."""
    totals = Totals(**_fields("totals", checkpoint.totals, Totals))
    for name, value in dataclasses.asdict(totals).items():
        _check_number(f"totals: {name}", value, math.inf)
    samples = int(extent.timeline.batching(checkpoint.epoch).bounds[checkpoint.batch])
    _check_count("totals: samples and skipped", totals.samples + totals.skipped, samples, samples)
    _check_count("totals: correct", totals.correct, 0, totals.samples)
    return totals


def snapshots_of(checkpoint: Checkpoint, extent: Extent) -> list[int]:
    """Where snapshots were taken."""
    done = extent.timeline.done(checkpoint.epoch, checkpoint.batch)
    for before, taken in pairwise([0, *checkpoint.snapshots]):
        _check_count("snapshots: one after the other", taken, before + 1, done)
    return list(checkpoint.snapshots)


def channels_of(name: str, checkpoint: Checkpoint) -> Channels:
    """`mean` or `std` of the normalisation."""
    values = getattr(checkpoint, name)
    if len(values) != 3:
        raise ValueError(f"its {name} is {values!r} instead of 3 numbers")
    for value in values:
        _check_number(name, value, math.inf)
    red, green, blue = map(float, values)
    return red, green, blue


def optimizer_state_of(
    checkpoint: Checkpoint, name: str, groups: list[Group]
) -> Mapping[int, Mapping[str, Any]]:
    """What the optimiser `name` keeps for each parameter of `groups`, by the parameter's number."""
    state = checkpoint.optimizer.get("state")
    steps = checkpoint.epoch + checkpoint.batch
    # A scaler of gradients (fp16) leaves steps out that overflow, the first ones as a rule.
    none_counted = not state and bool(checkpoint.scaler)
    if not isinstance(state, dict) or (bool(state) != bool(steps) and not none_counted):
        raise ValueError("its optimizer has no state that suits its position")
    parameters = [parameter for group in groups for parameter in group["params"]]
    kept_by = [kept for g in groups for kept in [_kept_by(name, g)] * len(g["params"])]
    for number, values in state.items():
        _check_count("optimizer: parameter", number, 0, len(parameters) - 1)
        kept = kept_by[number]
        if not isinstance(values, dict) or values.keys() != kept:
            raise ValueError(f"its optimizer, parameter {number}: not {', '.join(sorted(kept))}")
        for key, value in values.items():
            _check_tensor(f"optimizer, parameter {number}: {key}", value, parameters[number])
    return state


def _kept_by(name: str, group: Group) -> set[str]:
    """What the optimiser `name` keeps for a parameter of `group` that it has changed."""
    parameter = nn.Parameter(torch.zeros(1))
    parameter.grad = torch.zeros(1)
    alike = {"params": [parameter], "lr": 0.0, "peak_lr": 0.0, "weight_decay": 0.0}
    if "muon" in group:
        alike["muon"] = group["muon"]
    optimizer: Optimizer = build_optimizer(name, [alike])
    optimizer.step()
    return set(optimizer.state[parameter])


def _check_tensor(what: str, value: object, parameter: torch.Tensor) -> None:
    """A number, or one for each of the parameter's."""
    if not isinstance(value, torch.Tensor) or value.shape not in (torch.Size(), parameter.shape):
        raise ValueError(f"its {what} is no tensor of shape {tuple(parameter.shape)}")


def _fields(what: str, content: object, kind: Any) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(kind)}
    if not isinstance(content, dict) or content.keys() != names:
        raise ValueError(f"its {what}: not {', '.join(sorted(names))}")
    return content


def _check_count(what: str, value: object, least: int, greatest: int) -> None:
    if type(value) is not int or not least <= value <= greatest:
        expected = str(least) if least == greatest else f"{least} to {greatest}"
        raise ValueError(f"its {what} is {value!r} instead of {expected}")


def _check_number(what: str, value: object, greatest: float) -> None:
    if type(value) not in (int, float) or not (
        math.isfinite(value) and 0 <= value <= greatest  # type: ignore[arg-type,operator]
    ):
        raise ValueError(f"its {what} is {value!r}")
