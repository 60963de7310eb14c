"""The course that the options of a run ask for: its timeline and its schedule."""

from __future__ import annotations

from dataclasses import dataclass

from augcli.manifests.errors import UsageError
from augcli.train.budget import nominal_run
from augcli.train.config import TrainConfig
from augcli.train.order import LEAST_PER_RANK, Batching, Share
from augcli.train.pace import Timeline
from augcli.train.schedules.registry import RunSchedule, build_schedule
from augcli.train.sizes import last_size, stages_of


@dataclass(frozen=True)
class Course:
    """How a run goes on, as far as is known before its first step."""

    timeline: Timeline
    schedule: RunSchedule


def build_course(
    config: TrainConfig, size: int, samples: int, share: Share, *, validated: bool
) -> Course:
    """The course of a run on `samples` images of `size` pixels.

    Raises:
        UsageError: options that don't suit each other or the images, or too few samples for so
            many ranks.
    """
    nominal, per_epoch = nominal_run(config, Batching(samples, config.batch_size, share).batches)
    schedule = build_schedule(nominal, per_epoch, validated=validated)
    timeline = Timeline(
        stages=stages_of(config, size, schedule.steps),
        samples=samples,
        share=share,
        steps=schedule.steps,
        marks=tuple(range(0, schedule.steps + 1, per_epoch)) if config.budget is None else (0,),
    )
    _check_shares(timeline)
    if config.snapshots and not schedule.cycle_ends():
        raise UsageError(
            f"--snapshots are taken where cycles of the learning rate end, and --sched "
            f"{config.sched} has no whole one in this run: use sgdr or cyclic"
        )
    return Course(timeline, schedule)


def _check_shares(timeline: Timeline) -> None:
    """Every rank has samples in every batch."""
    ranks = timeline.share.ranks
    for stage in timeline.stages:
        if ranks > 1 and timeline.smallest_batch(stage) == 0:
            least = LEAST_PER_RANK * ranks
            raise UsageError(
                f"--batch-size {stage.batch_size} and {timeline.samples} training samples are too "
                f"few for {ranks} ranks, which share each batch: at least {least} of both are "
                "needed; use a larger --batch-size or fewer processes"
            )


def check_course(config: TrainConfig) -> None:
    """Find what is wrong with the options, before anything is opened.

    Raises:
        UsageError: as `build_course`, but for what the data decide.
    """
    build_course(config, last_size(config, 0), samples=1, share=Share(), validated=True)
