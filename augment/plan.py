"""The plan of an expansion: plain records of what will be made, before any pixel is read.

A task is one chunk of a split's samples with its rounds: each source image is read and decoded
once for all its copies, and each task publishes one shard per round. So that a worker's open files
and memory stay bounded, over `MAX_ROUNDS` rounds are several tasks. The plan depends on the
samples and on options that decide bytes, never on workers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from augcli.manifests.hashing import key_fraction
from augcli.manifests.reference import SPLITS, Reference, Sample
from augcli.manifests.rounds import copy_of_round, rounds_of_copies

MIN_SHARD_SAMPLES = 32
MAX_SHARD_SAMPLES = 1024
TASKS_WANTED = 32
MAX_ROUNDS = 64  # of one task: each is an open file


@dataclass(frozen=True)
class RoundShard:
    """One shard to be made: copy `copy` of every sample of the task's chunk."""

    name: str
    round: int
    copy: int


@dataclass(frozen=True)
class Task:
    """One chunk of one split's samples, and the shards it becomes."""

    split: str
    chunk: int
    samples: tuple[Sample, ...]
    shards: tuple[RoundShard, ...]

    @property
    def name(self) -> str:
        """Unique among the plan's tasks: `train-00003-r000`."""
        return f"{self.split}-{self.chunk:05d}-r{self.shards[0].round:03d}"

    @property
    def first(self) -> bool:
        """Whether this task holds the chunk's first round."""
        return self.shards[0].round == 0

    @property
    def views(self) -> int:
        """Views to be stored, if no image fails."""
        return len(self.samples) * len(self.shards)


@dataclass(frozen=True)
class Plan:
    """All tasks of an expansion, in the order of their shards' names."""

    tasks: tuple[Task, ...]
    rounds: int
    shard_size: int

    @property
    def views(self) -> int:
        """Views to be stored, if no image fails."""
        return sum(task.views for task in self.tasks)


def make_plan(
    reference: Reference, *, copies: int, originals: bool, shard_size: int | None
) -> Plan:
    """Plan the expansion of a reference dataset."""
    size = shard_size or default_shard_size(len(reference.of_split("train")))
    rounds = rounds_of_copies(copies, originals)
    tasks = [
        task
        for split in SPLITS
        for task in _tasks_of_split(reference, split, rounds, originals, size)
    ]
    return Plan(tuple(tasks), rounds, size)


def default_shard_size(training_samples: int) -> int:
    """Samples per shard: enough tasks to keep workers busy, not so many that files are tiny."""
    wanted = -(-training_samples // TASKS_WANTED)
    return max(MIN_SHARD_SAMPLES, min(MAX_SHARD_SAMPLES, wanted))


def _tasks_of_split(
    reference: Reference, split: str, rounds: int, originals: bool, shard_size: int
) -> Iterator[Task]:
    samples = shard_order(reference.of_split(split))
    for chunk, start in enumerate(range(0, len(samples), shard_size)):
        chosen = tuple(samples[start : start + shard_size])
        shards = _shards_of_chunk(split, chunk, rounds, originals)
        for first in range(0, len(shards), MAX_ROUNDS):
            yield Task(split, chunk, chosen, shards[first : first + MAX_ROUNDS])


def shard_order(samples: tuple[Sample, ...]) -> list[Sample]:
    """Samples by a hash of their keys: classes mixed, so that shards also stream well."""
    return sorted(samples, key=lambda s: (key_fraction(s.key, "augcli-order"), s.key))


def _shards_of_chunk(
    split: str, chunk: int, rounds: int, originals: bool
) -> tuple[RoundShard, ...]:
    """Only training data are augmented: the other splits have their originals, in one round."""
    if split != "train":
        return (RoundShard(f"{split}-{chunk:05d}.tar", 0, 0),)
    return tuple(
        RoundShard(f"train-r{number:03d}-{chunk:05d}.tar", number, copy_of_round(number, originals))
        for number in range(rounds)
    )
