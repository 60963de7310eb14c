"""`augcli benchmark`: stored views, views made on the fly and none, with nothing else changed.

All three arms train from the same reference dataset, splits, fit, policy and seeds, for the same
number of steps from the same initial weights, and are evaluated on the same stored test images.
"""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augcli.augment.config import ExpandConfig
from augcli.augment.expansion import ExpandResult, expand
from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.manifest import MANIFEST_FILE
from augcli.manifests.settings import check_settings
from augcli.train.comparison import Finding, Interval, interval, paired_difference, verdict
from augcli.train.config import SOURCES, BenchmarkConfig, TrainConfig
from augcli.train.machine import describe_machine
from augcli.train.models import check_model_name
from augcli.train.report import write_report
from augcli.train.run import train
from augcli.train.throughput import ThroughputTable, measure_throughput

ARMS = ("none", "on-the-fly", "shards")
BASELINE = "on-the-fly"
EXPANDED, RUNS = "expanded", "trainings"

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
        UsageError: a bad option, or an `out` that holds other things.
        AugcliError: nothing to train or to test on, or a training that failed.
    """
    check_settings(config)
    check_model_name(config.model)
    tell = report or (lambda what, done, total: None)
    total = 2 + len(ARMS) * config.seeds
    tell("expanding", 0, total)
    expansion = _expand_anew(config)
    configs = {arm: _train_config(config, arm, 0) for arm in ARMS}
    tell("throughput", 1, total)
    throughput = measure_throughput(configs)
    done = 2
    accuracies: dict[str, list[float]] = {arm: [] for arm in ARMS}
    seconds: dict[str, list[float]] = {arm: [] for arm in ARMS}
    split, images = "", 0
    for seed in range(config.seeds):
        for arm in ARMS:
            tell(f"training {arm}, seed {seed}", done, total)
            result = train(_train_config(config, arm, seed))
            if result.accuracy is None or result.split is None:
                raise AugcliError("there are neither test nor validation images to compare on")
            accuracies[arm].append(result.accuracy)
            seconds[arm] += [row.seconds for row in result.rows]
            split, images = result.split, result.record[result.split]["n"]
            done += 1
    accuracy = tuple(
        ArmAccuracy(arm, tuple(accuracies[arm]), sum(seconds[arm]) / len(seconds[arm]))
        for arm in ARMS
    )
    outcome = BenchmarkResult(
        folder=config.out,
        config=config,
        machine=describe_machine(),
        expansion=expansion,
        throughput=throughput,
        accuracy=accuracy,
        split=split,
        test_images=images,
        verdict=tuple(verdict(_finding(config, expansion, throughput, accuracy, images))),
    )
    write_report(outcome)
    tell("done", total, total)
    return outcome


def _expand_anew(config: BenchmarkConfig) -> ExpandResult:
    """Expand into an empty folder, so that the time is that of the whole expansion."""
    target = config.out / EXPANDED
    for folder, mark in ((target, MANIFEST_FILE), (config.out / RUNS, "")):
        if not folder.exists():
            continue
        if mark and not ((folder / mark).exists() or (folder / ".work").exists()):
            raise UsageError(f"--out {config.out}: {folder} is no expansion; name another folder")
        shutil.rmtree(folder)
    started = time.perf_counter()
    result = expand(
        ExpandConfig(
            data=config.data,
            out=target,
            copies=config.copies,
            policy=config.policy,
            size=config.size,
        )
    )
    return dataclasses.replace(result, seconds=time.perf_counter() - started)


def _train_config(config: BenchmarkConfig, arm: str, seed: int) -> TrainConfig:
    return TrainConfig(
        source=arm,
        shards=config.out / EXPANDED,
        data=config.data if arm != "shards" else None,
        model=config.model,
        epochs=config.epochs,
        seed=seed,
        out=config.out / RUNS / f"{arm}-{seed}",
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
        samples=expansion.manifest.splits["train"].samples,
        rounds=expansion.manifest.rounds,
        epochs=config.epochs,
        disk_bytes=expansion.manifest.bytes["shards"],
        test_images=test_images,
    )


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value
