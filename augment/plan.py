"""The plan of an expansion: plain records of what there will be, before any pixel is read.

A task is one chunk of a split's samples with its rounds: each source image is read and decoded
once for all its copies, and each task publishes one shard per round. So that a worker's open files
and memory stay bounded, over `MAX_ROUNDS` rounds are several tasks. The plan depends on the
samples, on options that decide bytes and on the chunks that are there already, never on workers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from augcli.manifests.balance import ClassRepeats, repeats_of
from augcli.manifests.hashing import key_fraction
from augcli.manifests.lookup import NOWHERE
from augcli.manifests.reference import Reference
from augcli.manifests.rounds import rounds_of_copies
from augcli.manifests.sample_list import SPLITS, Samples

MIN_SHARD_SAMPLES = 32
MAX_SHARD_SAMPLES = 1024
TASKS_WANTED = 32
MAX_ROUNDS = 64  # of one task: each is an open file

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Placed:
    """Where samples are already.

    `chunks` has, of each sample of a reference, the number of its chunk in its split, or NOWHERE:
    int64 (samples,). `free` is the first number of each split that no chunk has had.
    """

    chunks: Numbers
    free: Mapping[str, int]


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
    samples: Samples
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
    placed: Placed | None = None,
) -> Plan:
    """Plan the expansion of a reference dataset.

    Samples that are `placed` stay in their chunks; the others go into new ones. `extension` ends
    the shards' names.
    """
    size = shard_size or default_shard_size(len(reference.of_split("train")))
    rounds = rounds_of_copies(copies, originals)
    if placed is None:
        placed = Placed(np.full(len(reference.samples), NOWHERE), dict.fromkeys(SPLITS, 0))
    tasks = [
        task
        for split in SPLITS
        for number, samples in _chunks(reference.samples, split, size, placed)
        for task in _tasks_of_chunk(split, number, samples, rounds, repeats, extension)
    ]
    return Plan(tuple(tasks), rounds, size)


def default_shard_size(training_samples: int) -> int:
    """Samples per shard: enough tasks to keep workers busy, not so many that files are tiny."""
    wanted = -(-training_samples // TASKS_WANTED)
    return max(MIN_SHARD_SAMPLES, min(MAX_SHARD_SAMPLES, wanted))


def shard_order(samples: Samples) -> Samples:
    """Samples by a hash of their keys: classes mixed, so that shards also stream well."""
    return samples.take(_order(samples))


def _order(samples: Samples) -> Numbers:
    """The numbers of samples by a hash of their keys, then by the keys themselves."""
    hashes = (key_fraction(key, "augcli-order") for key in samples.keys)
    fractions = np.fromiter(hashes, np.float64, len(samples))
    order = np.argsort(fractions, kind="stable")
    ranked = fractions[order]
    same = np.flatnonzero(ranked[1:] == ranked[:-1])
    if len(same):  # as among ten million keys once in 200 times
        tied = np.union1d(same, same + 1)
        keys = np.array(list(samples.take(order[tied]).keys))
        order[tied] = order[tied][np.lexsort((keys, ranked[tied]))]
    return order


def _chunks(
    samples: Samples, split: str, size: int, placed: Placed
) -> Iterator[tuple[int, Samples]]:
    """Number and samples of each chunk of a split, in the order of the numbers."""
    numbers = np.flatnonzero(samples.splits == SPLITS.index(split))
    numbers = numbers[_order(samples.take(numbers))]
    chunks = placed.chunks[numbers]
    by_chunk = np.argsort(chunks, kind="stable")
    found, starts = np.unique(chunks[by_chunk], return_index=True)
    parts = dict(zip(found.tolist(), np.split(numbers[by_chunk], starts[1:]), strict=False))
    new = parts.pop(NOWHERE, numbers[:0])
    for chunk, part in parts.items():
        yield chunk, samples.take(part)
    for index, start in enumerate(range(0, len(new), size)):
        yield placed.free[split] + index, samples.take(new[start : start + size])


def _tasks_of_chunk(
    split: str,
    chunk: int,
    samples: Samples,
    rounds: int,
    repeats: tuple[ClassRepeats, ...],
    extension: str,
) -> Iterator[Task]:
    """Only training data are augmented: the other splits have their originals, in one round."""
    if split != "train":
        shard = RoundShard(f"{split}-{chunk:05d}{extension}", 0)
        yield Task(split, chunk, samples, (1,) * len(samples), (shard,))
        return
    often = tuple(repeats_of(samples, repeats).tolist())
    shards = tuple(
        RoundShard(f"train-r{number:03d}-{chunk:05d}{extension}", number)
        for number in range(rounds)
    )
    for first in range(0, rounds, MAX_ROUNDS):
        yield Task(split, chunk, samples, often, shards[first : first + MAX_ROUNDS])
