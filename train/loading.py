"""How views are loaded: by whom, in which order, and what stays in memory."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from augcli.train.batch import Source
from augcli.train.batch_memory import Block, SharedMemory
from augcli.train.config import TrainConfig
from augcli.train.device_memory import KeptOnDevice
from augcli.train.fillers import CallerFiller, Filler, ProcessFiller, ThreadFiller
from augcli.train.frames import Frames, KeptFrames
from augcli.train.kept_views import KeptViews
from augcli.train.loader import BatchLoader, loader_workers
from augcli.train.memory import Keeping, allowed_bytes, allowed_on_gpu
from augcli.train.order import Batching, Indices, epoch_order
from augcli.train.sizes import batch_sizes
from augcli.train.views import Views
from augcli.train.world import ALONE, World

Order = Callable[[int, Batching], list[Indices]]


class Loading:
    """Makes the loaders of a run.

    Attributes:
        notes: what a user should be told of the choices made here.
    """

    def __init__(
        self,
        config: TrainConfig,
        size: int,
        device: torch.device,
        world: World = ALONE,
        *,
        holds_lock: bool = False,
    ) -> None:
        """`holds_lock` says that making training views keeps Python's global lock, so that only
        processes can do it side by side.
        """
        self.config, self.size, self.notes = config, size, list[str]()
        self._device = device
        self._pinned = device.type == "cuda"
        self._share = world.share
        wanted = config.workers
        self._workers = loader_workers(world.local_ranks) if wanted is None else wanted
        by_processes = config.loader == "processes" or (config.loader == "auto" and holds_lock)
        self._files = SharedMemory() if by_processes and self._workers else None
        self._allowed = allowed_bytes(config.memory, world.local_ranks)
        self._keeping = Keeping(self._allowed, self._files)
        self._most_epochs = math.inf if config.budget else config.epochs

    def training(self, views: Views, order: Order | None = None) -> Source:
        """The source to train from; `order` is a permutation of all samples unless given."""
        config = self.config
        comes_again = views.rounds is not None and self._most_epochs > views.rounds
        comes_again &= not config.precompute  # then activations are kept instead
        on_device = comes_again and self._fits_device(views)
        if comes_again and not on_device:
            views = self._kept_views(views, "training views")

        def permuted(epoch: int, batching: Batching) -> list[Indices]:
            return batching.of_global_batches(epoch_order(batching.samples, config.seed, epoch))

        loader = BatchLoader(
            views,
            self._filler(views, by_processes=self._files is not None),
            self._batching(views),
            order or permuted,
            runs_on=True,
            skips_faults=config.on_error == "skip",
        )
        return KeptOnDevice(loader, self.size, self._device) if on_device else loader

    def evaluation(self, views: Views, *, again: bool) -> BatchLoader:
        """The source to evaluate on, in the order of the keys; `again` if in every epoch."""
        if again and self._most_epochs > 1 and not self.config.precompute:
            views = self._kept_views(views, "validation views")
        order = np.arange(len(views.samples))
        return BatchLoader(
            views,
            self._filler(views, by_processes=False),
            self._batching(views),
            lambda epoch, batching: batching.of_global_batches(order),
            skips_faults=self.config.on_error == "skip",
        )

    def _batching(self, views: Views) -> Batching:
        return Batching(len(views.samples), self.config.batch_size, self._share)

    def kept_frames(self, frames: Frames, samples: int) -> Frames:
        """`frames`, kept in memory from the first epoch on if they fit."""
        if self._most_epochs == 1:
            return frames
        memory = self._take((samples, self.size, self.size, 4), "training images")
        return frames if memory is None else KeptFrames(frames, *memory)

    def _kept_views(self, views: Views, what: str) -> Views:
        assert views.rounds is not None
        rows = views.rounds * len(views.samples)
        memory = self._take((rows, self.size, self.size, 3), what)
        return views if memory is None else KeptViews(views, *memory)

    def _fits_device(self, views: Views) -> bool:
        """Whether all rounds may stay in the memory of the GPU that trains."""
        if self._device.type != "cuda" or views.rounds is None:
            return False
        size = math.prod((views.rounds, len(views.samples), self.size, self.size, 3))
        fits = size <= allowed_on_gpu(self.config.memory, self._device)
        if fits:
            self.notes.append(f"training views: kept on the GPU once decoded, {size / 1e6:,.0f} MB")
        return fits

    def _take(self, shape: tuple[int, ...], what: str) -> tuple[Block, Block] | None:
        memory = self._keeping.take(shape)
        size = f"{math.prod(shape) / 1e6:,.0f} MB"
        if memory is not None:
            self.notes.append(f"{what}: kept in memory once decoded, {size}")
        elif self._allowed:
            self.notes.append(
                f"{what}: decoded anew in each epoch: {size} are more than --memory allows "
                f"({self._allowed / 1e6:,.0f} MB in all)"
            )
        return memory

    def _filler(self, views: Views, *, by_processes: bool) -> Filler:
        largest = max(self.config.batch_size, *batch_sizes(self.config))
        shape = (largest, self.size, self.size, 3)
        if by_processes:
            return ProcessFiller(views, shape, self._workers, self._files)
        if self._workers:
            return ThreadFiller(views, shape, self._workers, pinned=self._pinned)
        return CallerFiller(views, shape, pinned=self._pinned)
