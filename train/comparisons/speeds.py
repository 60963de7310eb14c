"""How much faster stored views are, and when expanding has paid for itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

from augcli.train.comparisons.measurements import (
    Arm,
    ArmThroughput,
    Measurements,
    Repeated,
    Throughput,
)

STEP_BOUND_SHARE = 0.05
"""Who waits for data less than this share of the time can't gain more by any source."""


@dataclass(frozen=True)
class Speed:
    """An arm's training against the baseline's: `factor` times its views per second.

    Attributes:
        source_factor: the same of the source alone.
        told: whether no measurement of the faster was as slow as one of the slower.
        of_bound: its share (0..1) of what the step does without waiting for data.
    """

    arm: str
    factor: float
    source_factor: float
    told: bool
    of_bound: float

    @property
    def is_faster(self) -> bool:
        """Whether it can be told to be."""
        return self.told and self.factor > 1


def speed(throughput: Throughput, arm: str, baseline: str) -> Speed | None:
    """None where either was not measured."""
    row, base = row_of(throughput, arm), row_of(throughput, baseline)
    if row is None or base is None:
        return None
    return Speed(
        arm=arm,
        factor=row.training.median / base.training.median,
        source_factor=row.source.median / base.source.median,
        told=not row.training.overlaps(base.training),
        of_bound=row.training.median / throughput.bound.median,
    )


def row_of(throughput: Throughput, arm: str) -> ArmThroughput | None:
    """What was measured of an arm, if it was."""
    return next((row for row in throughput.arms if row.arm == arm), None)


def is_step_bound(row: ArmThroughput) -> bool:
    """Whether its training waits for data so little that no source would help."""
    return row.wait_share < STEP_BOUND_SHARE


@dataclass(frozen=True)
class PayBack:
    """What storing an arm's views costs, and after how many epochs that is saved.

    R runs of E epochs save R E (seconds of an epoch on the fly less those of a stored one).

    Attributes:
        seconds: that expansion took, with all its workers.
        epochs: after which it has paid for itself; None: never, or not that it could be told.
        least, most: the same by the measurements that favour it most and least.
        runs: how many trainings as long as the benchmark's that makes.
        cpu_epochs: the same in processor time, which machines that are shared pay for.
        disk_bytes: that the shards take, of all splits.
    """

    arm: str
    copies: int
    seconds: float
    epochs: float | None
    least: float | None
    most: float | None
    runs: float | None
    cpu_epochs: float | None
    disk_bytes: int
    views: int


def pay_back(measurements: Measurements, arm: Arm, baseline: str) -> PayBack | None:
    """None of an arm that stores nothing, or where the costs were not measured."""
    expansion = measurements.expansion_of(arm)
    row = row_of(measurements.throughput, arm.name)
    base = row_of(measurements.throughput, baseline)
    if expansion is None or row is None or base is None or arm.copies is None:
        return None
    views = measurements.train_images
    pays = not row.training.overlaps(base.training) and not is_step_bound(base)
    fresh, stored = base.training, row.training
    epochs = least = most = None
    if pays:
        epochs = break_even(expansion.seconds, views / fresh.median, views / stored.median)
        least = break_even(expansion.seconds, views / fresh.least, views / stored.greatest)
        most = break_even(expansion.seconds, views / fresh.greatest, views / stored.least)
    return PayBack(
        arm=arm.name,
        copies=arm.copies,
        seconds=expansion.seconds,
        epochs=epochs,
        least=least,
        most=most,
        runs=None if epochs is None else epochs / epochs_of(measurements),
        cpu_epochs=break_even(
            expansion.cpu_seconds,
            views * base.cpu_seconds_per_view,
            views * row.cpu_seconds_per_view,
        ),
        disk_bytes=expansion.disk_bytes,
        views=expansion.views,
    )


def break_even(cost: float, fresh_epoch: float, stored_epoch: float) -> float | None:
    """Epochs after which `cost` is saved, all in seconds; None when it never is."""
    saved = fresh_epoch - stored_epoch
    return cost / saved if saved > 0 else None


def epochs_of(measurements: Measurements) -> int:
    """How long the trainings are."""
    return max((training.epochs for training in measurements.trainings), default=1)


def spread(rate: Repeated) -> float:
    """The greatest of repeated measurements over the least."""
    return rate.greatest / rate.least if rate.least else math.inf
