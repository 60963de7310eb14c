"""`augcli benchmark`: stored views, views made on the fly and none, with nothing else changed.

All three arms train from the same reference dataset, splits, fit, policy and seeds, for the same
number of steps from the same initial weights, and are evaluated on the same stored test images.
"""

from __future__ import annotations

import dataclasses
import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augcli.augment.config import ExpandConfig, default_policy
from augcli.augment.expansion import ExpandResult, expand
from augcli.augment.policy import resolve_policy
from augcli.augment.reference_data import load_reference
from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.settings import check_settings
from augcli.train.command import command_line
from augcli.train.comparisons.comparison import (
    Finding,
    Interval,
    interval,
    paired_difference,
    verdict,
)
from augcli.train.comparisons.folder import EXPANDED, RUNS, own_folder
from augcli.train.comparisons.report import write_report
from augcli.train.comparisons.throughput import ThroughputTable, measure_throughput
from augcli.train.config import SOURCES, BenchmarkConfig, TrainConfig
from augcli.train.faults import told
from augcli.train.machine import describe_machine
from augcli.train.models import check_model_name
from augcli.train.run import train
from augcli.train.stop import Interrupted
from augcli.train.trainer import TrainResult
from augcli.train.world import world_of_environment

ARMS = ("none", "on-the-fly", "shards")
BASELINE = "on-the-fly"
NOTHING_TO_COMPARE = "there are neither test nor validation images to compare on"

assert set(ARMS) == set(SOURCES)

Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class ArmAccuracy:
    """One arm's accuracies (0..1) by seed on the final split, and its mean epoch in seconds."""

    arm: str
    accuracies: tuple[float, ...]
    epoch_seconds: float

    @property
    def summary(self) -> Interval:
        """Mean and 95 % interval over seeds."""
        return interval(self.accuracies)


@dataclass(frozen=True)
class BenchmarkResult:
    """Everything that was measured, and the verdict."""

    folder: Path
    config: BenchmarkConfig
    machine: dict[str, Any]
    expansion: ExpandResult
    throughput: ThroughputTable
    accuracy: tuple[ArmAccuracy, ...]
    split: str
    test_images: int
    verdict: tuple[str, ...]

    def accuracy_of(self, arm: str) -> ArmAccuracy:
        """The accuracies of one arm."""
        return next(row for row in self.accuracy if row.arm == arm)

    def difference_of(self, arm: str) -> Interval:
        """An arm's accuracy minus that of on the fly, paired by seed."""
        return paired_difference(
            self.accuracy_of(arm).accuracies, self.accuracy_of(BASELINE).accuracies
        )

    def to_json(self) -> dict[str, Any]:
        """The object of `benchmark.json` and of `--json`."""
        return {
            "config": {k: _plain(v) for k, v in dataclasses.asdict(self.config).items()},
            "machine": self.machine,
            "expansion": self.expansion.to_json(),
            "throughput": dataclasses.asdict(self.throughput),
            "accuracy": [
                {
                    "arm": row.arm,
                    "split": self.split,
                    "images": self.test_images,
                    "by_seed": list(row.accuracies),
                    **dataclasses.asdict(row.summary),
                    "difference_to_on_the_fly": dataclasses.asdict(self.difference_of(row.arm)),
                    "epoch_seconds": row.epoch_seconds,
                }
                for row in self.accuracy
            ],
            "verdict": list(self.verdict),
        }


def benchmark(config: BenchmarkConfig, report: Report | None = None) -> BenchmarkResult:
    """Measure throughput and accuracy of the three sources and write the report into `out`.

    `report` hears what is being done, and how many of the parts are done.

    Raises:
        UsageError: a bad option, policy or dataset, or an `out` that holds other things.
        AugcliError: nothing to train or to test on, a training that failed, or a file that can't
            be written.
    """
    config = check_settings(config)
    _check_request(config)
    with own_folder(config.out), told(config.out, lambda: "then run the benchmark again"):
        return _measure(config, report or (lambda what, done, total: None))


def _check_request(config: BenchmarkConfig) -> None:
    """Find what is wrong with the request before anything is removed, written or measured."""
    if world_of_environment().ranks > 1:
        raise UsageError("augcli benchmark measures one process: start it without torchrun")
    check_model_name(config.model)
    resolve_policy(config.policy or default_policy(config.data), config.size)
    reference = load_reference(config.data)
    if not reference.of_split("test") and not reference.of_split("val"):
        raise AugcliError(f"{reference.root}: {NOTHING_TO_COMPARE}")


def _measure(config: BenchmarkConfig, tell: Report) -> BenchmarkResult:
    parts = 2 + len(ARMS) * config.seeds
    tell("expanding", 0, parts)
    expansion = _expand(config)
    tell("throughput", 1, parts)
    throughput = measure_throughput({arm: _train_config(config, arm, 0) for arm in ARMS})
    trainings = _train_all(config, lambda what, done: tell(what, 2 + done, parts))
    first = trainings[BASELINE][0]
    assert first.split is not None
    images = int(first.record[first.split]["n"])
    accuracy = tuple(_arm_accuracy(arm, trainings[arm]) for arm in ARMS)
    finding = _finding(config, expansion, throughput, accuracy, images)
    outcome = BenchmarkResult(
        folder=config.out,
        config=config,
        machine=describe_machine(),
        expansion=expansion,
        throughput=throughput,
        accuracy=accuracy,
        split=first.split,
        test_images=images,
        verdict=tuple(verdict(finding)),
    )
    write_report(outcome)
    tell("done", parts, parts)
    return outcome


def _expand(config: BenchmarkConfig) -> ExpandResult:
    """Expand into a new folder, so that the time is that of the whole expansion."""
    started = time.perf_counter()
    result = expand(
        ExpandConfig(
            data=config.data,
            out=config.out / EXPANDED,
            copies=config.copies,
            policy=config.policy,
            size=config.size,
        )
    )
    return dataclasses.replace(result, seconds=time.perf_counter() - started)


def _train_all(
    config: BenchmarkConfig, tell: Callable[[str, int], None]
) -> dict[str, list[TrainResult]]:
    """Every arm's trainings by seed; the arms take turns, so that a slow hour meets them all."""
    trainings: dict[str, list[TrainResult]] = {arm: [] for arm in ARMS}
    for done, (seed, arm) in enumerate(itertools.product(range(config.seeds), ARMS)):
        tell(f"training {arm}, seed {seed}", done)
        try:
            result = train(_train_config(config, arm, seed))
        except Interrupted as stopped:
            again = command_line("benchmark", config)
            raise Interrupted(
                f"stopped; a benchmark is not continued but begins anew: {again}",
                stopped.exit_code - 128,
            ) from stopped
        if result.accuracy is None:
            raise AugcliError(f"{config.out}: {NOTHING_TO_COMPARE}")
        trainings[arm].append(result)
    return trainings


def _arm_accuracy(arm: str, trainings: Sequence[TrainResult]) -> ArmAccuracy:
    accuracies = [result.accuracy for result in trainings if result.accuracy is not None]
    seconds = [row.seconds for result in trainings for row in result.rows]
    return ArmAccuracy(arm, tuple(accuracies), statistics.fmean(seconds))


def _train_config(config: BenchmarkConfig, arm: str, seed: int) -> TrainConfig:
    return TrainConfig(
        source=arm,
        shards=str(config.out / EXPANDED),
        data=config.data if arm != "shards" else None,
        model=config.model,
        epochs=config.epochs,
        seed=seed,
        out=config.out / RUNS / f"{arm}-{seed}",
        memory="0",  # small data would all be kept, and no source be measured
    )


def _finding(
    config: BenchmarkConfig,
    expansion: ExpandResult,
    throughput: ThroughputTable,
    accuracy: tuple[ArmAccuracy, ...],
    test_images: int,
) -> Finding:
    assert expansion.manifest is not None
    return Finding(
        source_rates={row.arm: row.source for row in throughput.arms},
        training_rates={row.arm: row.training for row in throughput.arms},
        wait_shares={row.arm: row.wait_share for row in throughput.arms},
        accuracies={row.arm: row.accuracies for row in accuracy},
        expansion_seconds=expansion.seconds,
        samples=expansion.manifest.splits["train"].views_per_round,
        rounds=expansion.manifest.rounds,
        epochs=config.epochs,
        disk_bytes=expansion.manifest.bytes["shards"],
        test_images=test_images,
    )


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value
