"""Which samples make which batch, on which rank: pure functions of counts, seed and epoch.

A batch is a function of its number, so workers, restarts and the number of ranks change nothing
about who comes when. Batches are global: rank r of R gets its share of each, the shares of one
batch differ by one sample at most, and every rank has the same number of batches (law 9).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from augcli.manifests.hashing import view_seed

Indices = npt.NDArray[np.int64]
LEAST_PER_RANK = 2
"""Samples that every rank has in every batch, where there are enough: batch norm needs two."""


def generator(seed: int, purpose: str, epoch: int) -> np.random.Generator:
    """A stream of one's own for each purpose and epoch of a run."""
    return np.random.Generator(np.random.Philox(key=view_seed(seed, purpose, epoch)))


def epoch_order(samples: int, seed: int, epoch: int) -> Indices:
    """The permutation of `samples` that `epoch` uses, int64 (samples,)."""
    return generator(seed, "epoch order", epoch).permutation(samples).astype(np.int64)


def windowed_order(shards: npt.NDArray[np.int64], window: int, seed: int, epoch: int) -> Indices:
    """An order that reads shards one after another: int64 (samples,).

    The shards come in a new order each epoch, and samples move within them by up to `window`
    places, as through a shuffle buffer of that size, but known beforehand, so that reading can
    start anywhere (MosaicML Streaming calls it `py1e`,
    https://docs.mosaicml.com/projects/streaming/en/stable/dataset_configuration/shuffling.html).

    Args:
        shards: the shard of each sample, by number from 0, in any order.
        window: places; 1 leaves each shard in its own order.
    """
    draws = generator(seed, "windowed order", epoch)
    turn_of_shard = draws.permutation(int(shards.max(initial=-1)) + 1)
    in_turn = np.argsort(turn_of_shard[shards], kind="stable")
    places = np.arange(len(shards)) + draws.random(len(shards)) * window
    return in_turn[np.argsort(places, kind="stable")].astype(np.int64)


@dataclass(frozen=True)
class Share:
    """The part of one process in a training by several: `rank` from 0, of `ranks`."""

    rank: int = 0
    ranks: int = 1


@dataclass(frozen=True)
class Batching:
    """How an epoch of `samples` is cut into batches of `batch_size`, over all ranks together."""

    samples: int
    batch_size: int
    share: Share = Share()

    def of(self, batch_size: int | None) -> Batching:
        """The same for another batch size; None: this one."""
        return self if batch_size is None else dataclasses.replace(self, batch_size=batch_size)

    @property
    def bounds(self) -> Indices:
        """Where each global batch starts, and the end: int64 (batches + 1,).

        Only the last is smaller than the others, unless some ranks would go without: then it takes
        from the one before, at most until both are as large.
        """
        bounds = np.arange(0, self.samples + self.batch_size, self.batch_size, dtype=np.int64)
        bounds[-1] = self.samples
        if self.share.ranks > 1 and len(bounds) > 2:
            wanted = min(LEAST_PER_RANK * self.share.ranks, (self.samples - bounds[-3]) // 2)
            bounds[-2] = min(bounds[-2], self.samples - wanted)
        return bounds

    @property
    def batches(self) -> int:
        """Batches per epoch, on every rank."""
        return -(-self.samples // self.batch_size)

    @property
    def smallest(self) -> int:
        """Samples in the smallest batch on any rank."""
        ranks = range(self.share.ranks) if self.samples else ()
        return min((int(np.diff(self._taken(rank)).min()) for rank in ranks), default=0)

    def _taken(self, rank: int) -> Indices:
        """How many samples a rank has had before each batch: they add up to `bounds`."""
        taken: Indices = (self.bounds + rank) // self.share.ranks
        return taken

    def of_global_batches(self, order: Indices) -> list[Indices]:
        """This rank's samples of each batch, when all ranks share one order."""
        bounds = self.bounds
        counts = np.stack([np.diff(self._taken(rank)) for rank in range(self.share.ranks)])
        starts = bounds[:-1] + counts[: self.share.rank].sum(axis=0)
        ends = starts + counts[self.share.rank]
        return [order[start:end] for start, end in zip(starts, ends, strict=True)]

    def of_own_part(self, order: Indices) -> list[Indices]:
        """The same when each rank reads a stretch of the order of its own: other shards."""
        taken = self._taken(self.share.rank)
        begin = sum(int(self._taken(rank)[-1]) for rank in range(self.share.rank))
        part = order[begin : begin + int(taken[-1])]
        return np.split(part, taken[1:-1])
