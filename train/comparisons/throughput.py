"""How fast the arms' views come and are used: by turns, repeated, each repetition kept."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import count, repeat

import torch

from augcli.train.alteration import Alteration
from augcli.train.batch import Batch, Sources
from augcli.train.comparisons import stretches
from augcli.train.comparisons.cpu_time import counts_live_children
from augcli.train.comparisons.measurements import Arm, ArmThroughput, Repeated, Throughput
from augcli.train.comparisons.page_cache import dropped
from augcli.train.comparisons.setups import Setups
from augcli.train.comparisons.stretches import Stretch, measure_stretch
from augcli.train.config import TrainConfig
from augcli.train.feeding import on_device
from augcli.train.learner import build_learner
from augcli.train.loader import loader_workers
from augcli.train.sources import open_sources
from augcli.train.step import Step, choose_device

Hear = Callable[[int, int], None]
"""How many of how many turns were had."""

Work = tuple[str, str, str | None]
"""What a view costs is the same in arms that share it: copies differ in nothing else."""


def measure_throughput(setups: Setups, arms: Sequence[Arm], memory: str, hear: Hear) -> Throughput:
    """Measure arms by turns; `memory` is what their sources may keep of decoded images.

    Raises:
        AugcliError: a source can't be opened or read.
    """
    chosen = {_work(arm): arm for arm in arms}  # of several copies, the most
    configs = {work: setups.training(arm, memory=memory) for work, arm in chosen.items()}
    first = configs[_work(arms[0])]
    device = choose_device(first.device)
    turns = 2 * stretches.REPEATS * len(chosen)
    measured, bound = _by_turns(configs, device, lambda done: hear(done, turns))
    cold: dict[tuple[str, str], Repeated | None] = {}
    for number, (work, arm) in enumerate(chosen.items()):
        hear(turns // 2 + number * stretches.REPEATS, turns)
        if work[:2] not in cold:
            cold[work[:2]] = _cold(configs[work], setups, arm, device)
    rows = {
        work: ArmThroughput(
            arm=arm.name,
            source=Repeated(tuple(stretch.rate for stretch in measured[work].source)),
            cold=cold[work[:2]],
            training=Repeated(tuple(stretch.rate for stretch in measured[work].training)),
            wait_share=statistics.median(s.wait_share for s in measured[work].training),
            cpu_seconds_per_view=_cpu_seconds_per_view(measured[work], configs[work], device),
            bytes_per_view=setups.bytes_per_view(arm),
            workers=loader_workers() if first.workers is None else first.workers,
        )
        for work, arm in chosen.items()
    }
    return Throughput(
        batch_size=first.batch_size,
        bound=Repeated(tuple(bound)),
        arms=tuple(dataclasses.replace(rows[_work(arm)], arm=arm.name) for arm in arms),
    )


def _work(arm: Arm) -> Work:
    return arm.source, arm.policy, arm.residual


@dataclass
class _Measured:
    """One arm's stretches, so far."""

    source: list[Stretch] = field(default_factory=list)
    training: list[Stretch] = field(default_factory=list)


@dataclass
class _Open:
    """One arm's sources; every stretch begins with an epoch of its own."""

    sources: Sources
    alteration: Alteration
    epochs: Iterator[int] = field(default_factory=count)

    def batches(self, device: torch.device | None = None) -> Iterator[tuple[Batch, int]]:
        """Without end, each with its epoch; on the device that trains, if one is given."""
        for epoch in self.epochs:
            batches = self.sources.train.batches(epoch)
            placed = batches if device is None else on_device(batches, device)
            yield from ((batch, epoch) for batch in placed)


def _by_turns(
    configs: dict[Work, TrainConfig], device: torch.device, hear: Callable[[int], None]
) -> tuple[dict[Work, _Measured], list[float]]:
    """Each arm's stretches, and the rates of steps on one batch: there and back again."""
    measured = {work: _Measured() for work in configs}
    bound: list[float] = []
    with ExitStack() as stack:
        opened = {}
        for work, config in configs.items():
            sources = open_sources(config, device).sources
            stack.callback(sources.close)
            opened[work] = _Open(sources, Alteration(config, sources))
        step = _step(next(iter(configs.values())), next(iter(opened.values())).sources, device)
        for turn in range(stretches.REPEATS):
            order = list(configs) if turn % 2 == 0 else list(reversed(configs))
            for number, work in enumerate(order):
                hear(turn * len(order) + number)
                _measure(opened[work], measured[work], step, device)
            bound.append(_synthetic(next(iter(opened.values())), step, device).rate)
    return measured, bound


def _step(config: TrainConfig, sources: Sources, device: torch.device) -> Step:
    smallest = sources.train.smallest_batch
    learner = build_learner(config, sources.classes, sources.size, device, smallest)
    return Step(learner.model, learner.optimizer, learner.forward, learner.rules)


def _measure(opened: _Open, measured: _Measured, step: Step, device: torch.device) -> None:
    def train(item: tuple[Batch, int]) -> None:
        batch, epoch = item
        step(batch, opened.alteration.of(batch, epoch, batch.number))

    measured.source.append(measure_stretch(opened.batches(), _views, _nothing))
    measured.training.append(measure_stretch(opened.batches(device), _views, train))


def _synthetic(opened: _Open, step: Step, device: torch.device) -> Stretch:
    """Steps on one and the same batch, on the device that trains: no data are needed for them."""
    batch, _ = next(opened.batches(device))
    return measure_stretch(repeat(batch), len, step)


def _views(item: tuple[Batch, int]) -> int:
    return len(item[0])


def _nothing(item: object) -> None:
    pass


def _cold(config: TrainConfig, setups: Setups, arm: Arm, device: torch.device) -> Repeated | None:
    """The source alone, up to an epoch of it, with none of its files in the page cache."""
    rates = []
    files = setups.files(arm)
    for _ in range(stretches.REPEATS):
        if not dropped(files):
            return None
        sources = open_sources(config, device).sources
        with closing(sources):
            # Of the epoch in which stored views are augmented ones.
            rates.append(_first_rate(sources.train.batches(1)))
    return Repeated(tuple(rates))


def _first_rate(batches: Iterator[Batch]) -> float:
    """Without a warm-up, which would read the same files."""
    views, seconds, _ = stretches.take(batches, len, _nothing, stretches.SECONDS, 1)
    return views / seconds


def _cpu_seconds_per_view(measured: _Measured, config: TrainConfig, device: torch.device) -> float:
    """Median of the stretches; where processes can't be timed, of one that loads without any."""
    found = measured.source
    if not counts_live_children():
        alone = dataclasses.replace(config, workers=0)
        with closing(open_sources(alone, device).sources) as sources:
            opened = _Open(sources, Alteration(alone, sources))
            found = [measure_stretch(opened.batches(), _views, _nothing)]
    return statistics.median(stretch.cpu_seconds / stretch.views for stretch in found)
