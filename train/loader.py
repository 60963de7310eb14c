"""Batches from views: each sample once per epoch, in an order that (seed, epoch) decide."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from augcli.augment.engines import default_workers
from augcli.manifests.errors import AugcliError
from augcli.train.batch import Batch, Fault
from augcli.train.batch_memory import Block
from augcli.train.fillers import Filled, Filler
from augcli.train.order import Batching, Indices
from augcli.train.views import RowFault, Views

MAX_DEFAULT_WORKERS = 16


def loader_workers(local_ranks: int = 1) -> int:
    """Loader threads or processes by default: one per core, shared by the ranks of a machine."""
    return max(1, min(MAX_DEFAULT_WORKERS, default_workers() // local_ranks))


@dataclass(frozen=True)
class _Begun:
    """A batch that is being filled."""

    epoch: int
    number: int
    batching: Batching
    indices: Indices
    block: Block
    filled: Filled

    def is_at(self, epoch: int, number: int, batching: Batching) -> bool:
        """Whether it is that batch."""
        return (self.epoch, self.number, self.batching) == (epoch, number, batching)


class BatchLoader:
    """A `Source`: batches of views, filled by a `Filler` some way ahead of their use.

    `order` gives this rank's samples of each batch of an epoch that is cut so. When an epoch ends,
    the first batches of the next one are begun if `runs_on`: they are there when training comes
    back from validation, unless that wants batches of another size.
    """

    def __init__(
        self,
        views: Views,
        filler: Filler,
        batching: Batching,
        order: Callable[[int, Batching], list[Indices]],
        *,
        runs_on: bool = False,
        skips_faults: bool = False,
    ) -> None:
        self._views = views
        self._filler = filler
        self._batching = batching
        self._order = order
        self._runs_on = runs_on
        self._skips_faults = skips_faults
        self._begun: deque[_Begun] = deque()
        self._upcoming = (0, 0, batching)
        self._plans: dict[tuple[int, Batching], list[Indices]] = {}

    @property
    def samples(self) -> int:
        """Samples per epoch, over all ranks."""
        return len(self._views.samples)

    @property
    def batches_per_epoch(self) -> int:
        """Batches per epoch."""
        return self._batching.batches

    @property
    def smallest_batch(self) -> int:
        """Samples in the smallest batch."""
        return self._batching.smallest

    @property
    def ids(self) -> npt.NDArray[np.uint64]:
        """A hash of each sample's key, by its number."""
        return self._views.samples.ids

    @property
    def rounds(self) -> int | None:
        """Rounds of different views before they come again."""
        return self._views.rounds

    def batches(self, epoch: int, start: int = 0, batch_size: int | None = None) -> Iterator[Batch]:
        """The batches of `epoch` in order, from batch number `start` on.

        `batch_size` is at most what the filler has memory for.

        Raises:
            AugcliError: a view can't be had, unless such are skipped.
        """
        batching = self._batching.of(batch_size)
        for number in range(start, batching.batches):
            if not self._begun or not self._begun[0].is_at(epoch, number, batching):
                self._forget()
                self._upcoming = (epoch, number, batching)
            self._begin_up_to(self._filler.ahead)
            begun = self._begun.popleft()
            faults = begun.filled()
            self._begin_up_to(self._filler.ahead - 1)
            yield self._batch(begun, faults)

    def close(self) -> None:
        """Stop the filler, and let go of files. Idempotent."""
        self._filler.close()
        self._begun.clear()
        self._views.close()

    def labelled(self, indices: Indices) -> tuple[torch.Tensor, tuple[str, ...]]:
        """Labels, int64 (B,), and keys of samples by their numbers."""
        samples = self._views.samples
        labels = torch.from_numpy(samples.labels[indices])
        return labels, tuple(samples.keys[index] for index in indices.tolist())

    def _begin_up_to(self, count: int) -> None:
        """Begin the batches that follow, until `count` are begun."""
        while len(self._begun) < count:
            epoch, number, batching = self._upcoming
            if number == batching.batches:
                if not self._runs_on:
                    return
                epoch, number = epoch + 1, 0
            indices = self._plan(epoch, batching)[number]
            block = self._filler.memory.take()
            filled = self._filler.begin(block, indices, epoch)
            self._begun.append(_Begun(epoch, number, batching, indices, block, filled))
            self._upcoming = (epoch, number + 1, batching)

    def _forget(self) -> None:
        """Drop what was begun and is not wanted: when nobody writes there any more."""
        while self._begun:
            begun = self._begun.popleft()
            with contextlib.suppress(Exception):  # whoever wants that batch will be told
                begun.filled()
            self._filler.memory.give_back(begun.block)

    def plan(self, epoch: int, batch_size: int | None = None) -> list[Indices]:
        """The samples of each batch of `epoch`, on this rank."""
        return self._plan(epoch, self._batching.of(batch_size))

    def _plan(self, epoch: int, batching: Batching) -> list[Indices]:
        key = (epoch, batching)
        if key not in self._plans:
            if len(self._plans) > 1:  # two are kept: one epoch runs into the next
                del self._plans[next(iter(self._plans))]
            plan = self._plans[key] = self._order(epoch, batching)
            self._views.expect(np.concatenate([np.zeros(0, np.int64), *plan]), epoch)
        return self._plans[key]

    def _batch(self, begun: _Begun, faults: list[RowFault]) -> Batch:
        samples, indices = self._views.samples, begun.indices
        if faults and not self._skips_faults:
            self._filler.memory.give_back(begun.block)
            raise AugcliError(min(faults)[1])
        if faults:
            left_out = [place for place, _ in faults]
            there = np.setdiff1d(np.arange(len(indices)), left_out)
            begun.block.pixels[: len(there)] = begun.block.pixels[there]
            told = tuple(Fault(samples.keys[indices[place]], why) for place, why in sorted(faults))
            indices = indices[there]
        else:
            told = ()
        images = self._filler.memory.lend(begun.block, len(indices))
        labels, keys = self.labelled(indices)
        return Batch(
            images=images,
            labels=labels,
            keys=keys,
            indices=indices,
            number=begun.number,
            faults=told,
        )
