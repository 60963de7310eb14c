"""How fast views come and are used: measured in turns, repeated, medians with their spread."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from augcli.train.batch import Batch, Source
from augcli.train.comparisons.comparison import Measured
from augcli.train.config import TrainConfig
from augcli.train.dataset import open_dataset
from augcli.train.learner import build_learner
from augcli.train.remaking import source_files
from augcli.train.sources import open_sources
from augcli.train.step import Step, choose_device

REPEATS = 3
SECONDS = 1.2  # of one measurement, at least; whole batches


@dataclass(frozen=True)
class Throughput:
    """One arm: images/s of its source alone, and of training from it.

    `wait_share` (0..1) is the part of the training time spent waiting for data,
    `cpu_ms_per_view` the processor time that one view costs (milliseconds, one core), and
    `bytes_per_view` what is read from disk for it.
    """

    arm: str
    source: Measured
    training: Measured
    wait_share: float
    cpu_ms_per_view: float
    bytes_per_view: float


@dataclass(frozen=True)
class ThroughputTable:
    """All arms, and `synthetic`: training on one batch over and over, the bound for any source."""

    arms: tuple[Throughput, ...]
    synthetic: Measured


def measure_throughput(configs: dict[str, TrainConfig]) -> ThroughputTable:
    """Measure arms, each given by the training that would use it, by turns."""
    first = next(iter(configs.values()))
    device = choose_device(first.device)
    opened = {arm: open_sources(config, device.type).sources for arm, config in configs.items()}
    source_rates: dict[str, list[float]] = {arm: [] for arm in configs}
    training_rates: dict[str, list[float]] = {arm: [] for arm in configs}
    waits: dict[str, list[float]] = {arm: [] for arm in configs}
    synthetic: list[float] = []
    try:
        any_sources = next(iter(opened.values()))
        learner = build_learner(first, any_sources.classes, any_sources.size, device)
        step = Step(learner.model, learner.optimizer, learner.forward, learner.rules)
        for sources in opened.values():  # warm-up: page cache, workers, kernels
            step(next(sources.train.batches(0)))
            _rate(sources.train, lambda batch: None, SECONDS / 4)
        for _ in range(REPEATS):
            for arm, sources in opened.items():
                rate, _wait = _rate(sources.train, lambda batch: None, SECONDS)
                source_rates[arm].append(rate)
                rate, wait = _rate(sources.train, step, SECONDS)
                training_rates[arm].append(rate)
                waits[arm].append(wait)
            synthetic.append(_synthetic_rate(any_sources.train, step))
    finally:
        for sources in opened.values():
            sources.close()
    rows = [
        Throughput(
            arm=arm,
            source=Measured.of(source_rates[arm]),
            training=Measured.of(training_rates[arm]),
            wait_share=statistics.median(waits[arm]),
            cpu_ms_per_view=_cpu_ms_per_view(config, device.type),
            bytes_per_view=_bytes_per_view(config),
        )
        for arm, config in configs.items()
    ]
    return ThroughputTable(tuple(rows), Measured.of(synthetic))


def _rate(source: Source, use: Callable[[Batch], object], seconds: float) -> tuple[float, float]:
    """Images per second over whole epochs of at least `seconds`, and the share of waiting.

    Epochs are not run into each other: a source that prepares only one at a time shows it.
    """
    started = time.perf_counter()
    images, waited, epoch = 0, 0.0, 0
    while time.perf_counter() - started < seconds:
        asked = time.perf_counter()
        for batch in source.batches(epoch):
            waited += time.perf_counter() - asked
            use(batch)
            images += len(batch)
            asked = time.perf_counter()
        epoch += 1
    elapsed = time.perf_counter() - started
    return images / elapsed, waited / elapsed


def _synthetic_rate(source: Source, step: Step) -> float:
    batch = next(source.batches(0))
    started = time.perf_counter()
    images = 0
    while time.perf_counter() - started < SECONDS:
        step(batch)
        images += len(batch)
    return images / (time.perf_counter() - started)


def _cpu_ms_per_view(config: TrainConfig, device: str) -> float:
    """Processor time of this process alone, loading without workers."""
    sources = open_sources(dataclasses.replace(config, workers=0), device).sources
    try:
        for _ in zip(range(3), sources.train.batches(0), strict=False):
            pass
        started, images = time.process_time(), 0
        for batch in sources.train.batches(1):
            images += len(batch)
            if time.process_time() - started > SECONDS:
                break
        return (time.process_time() - started) / images * 1000
    finally:
        sources.close()


def _bytes_per_view(config: TrainConfig) -> float:
    dataset = open_dataset(config)
    manifest = dataset.manifest
    if config.source == "shards":
        return manifest.bytes["images"] / sum(split.views for split in manifest.splits.values())
    files = source_files(dataset.samples, manifest, config.data)
    return statistics.fmean(file.path.stat().st_size for file in files)
