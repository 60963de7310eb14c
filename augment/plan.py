"""The plan of an expansion: plain records of what there will be, before any pixel is read.

A task is one chunk of a split's samples with its rounds: each source image is read and decoded
once for all its copies, and each task publishes one shard per round. So that a worker's open files
and memory stay bounded, over `MAX_ROUNDS` rounds are several tasks. The plan depends on the
samples, on options that decide bytes and on the chunks that are there already, never on workers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from augcli.manifests.balance import ClassRepeats
from augcli.manifests.hashing import key_fraction
from augcli.manifests.reference import SPLITS, Reference, Sample
from augcli.manifests.rounds import rounds_of_copies

MIN_SHARD_SAMPLES = 32
MAX_SHARD_SAMPLES = 1024
TASKS_WANTED = 32
MAX_ROUNDS = 64  # of one task: each is an open file

ChunkOf = Mapping[str, tuple[str, int]]
"""Key -> split and number of the chunk that a sample is in already."""


@dataclass(frozen=True)
class RoundShard:
    """One shard to be made: the views that `round` has of a chunk's samples."""

    name: str
    round: int


@dataclass(frozen=True)
class Task:
    """One chunk of one split's samples, and the shards it becomes.

    `repeats` says of each sample how many views it has per round.
    """

    split: str
    chunk: int
    samples: tuple[Sample, ...]
    repeats: tuple[int, ...]
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
        return sum(self.repeats) * len(self.shards)

    def only(self, shards: tuple[RoundShard, ...]) -> Task:
        """The same chunk with fewer shards."""
        return replace(self, shards=shards)


@dataclass(frozen=True)
class Plan:
    """All tasks of an expansion, in the order of chunks and rounds."""

    tasks: tuple[Task, ...]
    rounds: int
    shard_size: int

    @property
    def views(self) -> int:
        """Views to be stored, if no image fails."""
        return sum(task.views for task in self.tasks)

    @property
    def samples(self) -> int:
        """Samples that are to be used."""
        return sum(len(task.samples) for task in self.tasks if task.first)


def make_plan(
    reference: Reference,
    *,
    copies: int,
    originals: bool,
    shard_size: int | None = None,
    repeats: tuple[ClassRepeats, ...],
    extension: str = ".tar",
    chunk_of: ChunkOf | None = None,
) -> Plan:
    """Plan the expansion of a reference dataset.

    Samples that `chunk_of` knows stay in their chunks; the others go into new ones. `extension`
    ends the shards' names.
    """
    size = shard_size or default_shard_size(len(reference.of_split("train")))
    rounds = rounds_of_copies(copies, originals)
    tasks = [
        task
        for split in SPLITS
        for number, samples in _chunks(reference.of_split(split), split, size, chunk_of or {})
        for task in _tasks_of_chunk(split, number, samples, rounds, repeats, extension)
    ]
    return Plan(tuple(tasks), rounds, size)


def default_shard_size(training_samples: int) -> int:
    """Samples per shard: enough tasks to keep workers busy, not so many that files are tiny."""
    wanted = -(-training_samples // TASKS_WANTED)
    return max(MIN_SHARD_SAMPLES, min(MAX_SHARD_SAMPLES, wanted))


def shard_order(samples: tuple[Sample, ...]) -> list[Sample]:
    """Samples by a hash of their keys: classes mixed, so that shards also stream well."""
    return sorted(samples, key=lambda s: (key_fraction(s.key, "augcli-order"), s.key))


def _chunks(
    samples: tuple[Sample, ...], split: str, size: int, chunk_of: ChunkOf
) -> Iterator[tuple[int, tuple[Sample, ...]]]:
    """Number and samples of each chunk of a split, in the order of the numbers."""
    placed: dict[int, list[Sample]] = {}
    new: list[Sample] = []
    for sample in shard_order(samples):
        place = chunk_of.get(sample.key)
        if place is not None and place[0] == split:
            placed.setdefault(place[1], []).append(sample)
        else:
            new.append(sample)
    yield from ((number, tuple(placed[number])) for number in sorted(placed))
    taken = [number for found, number in chunk_of.values() if found == split]
    first = max(taken, default=-1) + 1
    for index, start in enumerate(range(0, len(new), size)):
        yield first + index, tuple(new[start : start + size])


def _tasks_of_chunk(
    split: str,
    chunk: int,
    samples: tuple[Sample, ...],
    rounds: int,
    repeats: tuple[ClassRepeats, ...],
    extension: str,
) -> Iterator[Task]:
    """Only training data are augmented: the other splits have their originals, in one round."""
    if split != "train":
        shard = RoundShard(f"{split}-{chunk:05d}{extension}", 0)
        yield Task(split, chunk, samples, (1,) * len(samples), (shard,))
        return
    often = tuple(repeats[sample.label].of(sample.key) for sample in samples)
    shards = tuple(
        RoundShard(f"train-r{number:03d}-{chunk:05d}{extension}", number)
        for number in range(rounds)
    )
    for first in range(0, rounds, MAX_ROUNDS):
        yield Task(split, chunk, samples, often, shards[first : first + MAX_ROUNDS])
