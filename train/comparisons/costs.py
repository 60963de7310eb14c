"""What a benchmark's trainings are expected to take, from what was measured before the first."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from augcli.augment.corruptions.registry import corrupted
from augcli.augment.corruptions.severities import SEVERITIES
from augcli.train.budget import OTHER_SECONDS
from augcli.train.comparisons.measurements import FRESH, ORIGINALS, SHARDS, Arm, Throughput
from augcli.train.comparisons.planning import Costs
from augcli.train.comparisons.setups import IN_MEMORY, Setups
from augcli.train.memory import allowed_bytes

START_SECONDS = 3.0
"""Of each training: opening, checkpoints, pictures, and loading the model to measure it."""
PEER_SECONDS = 20.0
STEP_PER_LOOK = 3
"""A step costs about as much as so many evaluations of the same batch."""
RESERVE = 1.15
_MIDDLE = 3


def expected_costs(
    setups: Setups, arms: Sequence[Arm], throughput: Throughput, split: str, names: Sequence[str]
) -> Costs:
    """Seconds, with a reserve; `names` are corruptions to show the images of `split` under.

    Trainings keep decoded images, so that an epoch is rarely slower than its steps.
    """
    manifest = setups.stored(arms[0]).manifest
    train, size = manifest.splits["train"].views_per_round, int(manifest.options["size"])
    looks = STEP_PER_LOOK * throughput.bound.median
    validation = manifest.splits["val"].samples / looks
    measured = manifest.splits[split].samples
    epoch, training = {}, {}
    for arm in arms:
        rates, workers = throughput.of(arm.name), max(1, throughput.of(arm.name).workers)
        rounds = arm.rounds if arm.source == SHARDS and arm.rounds else 1
        seconds, once = train / throughput.bound.median, rounds * train / rates.source.median
        if rounds * train * size * size * 4 > allowed_bytes(IN_MEMORY):
            seconds, once = train / rates.training.median, 0.0
        elif arm.source in (FRESH, ORIGINALS):
            costs = setups.stored(arm).timing.costs
            seconds += train * (costs.draw if costs else 0.0) / workers
        epoch[arm.name] = RESERVE * (seconds + validation + OTHER_SECONDS)
        training[arm.name] = RESERVE * (once + START_SECONDS + measured / looks)
    variants = len(names) * len(SEVERITIES) * measured
    return Costs(
        epoch=epoch,
        training=training,
        corruptions=RESERVE * variants * _corrupting_seconds(size, names) / workers,
        corrupted=RESERVE * variants / looks,
        peer=PEER_SECONDS,
    )


def _corrupting_seconds(size: int, names: Sequence[str]) -> float:
    """Of one core, the mean over corruptions."""
    image = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    began = time.perf_counter()
    for name in names:
        corrupted(image, name, _MIDDLE, "any")
    return (time.perf_counter() - began) / max(1, len(names))
