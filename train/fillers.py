"""Who fills the memory of batches with views: the caller, threads, or processes.

Decoders and warps let go of Python's global lock, so threads fill a batch side by side, into
memory that nobody copies. Processes are for policies that hold that lock: they fill blocks of
shared memory. A view depends on its sample and epoch alone, so the result is the same from all.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol

from augcli.augment.decode import Pixels
from augcli.augment.engines import begin_worker, end_with, one_thread_each
from augcli.augment.forks import CAN_FORK, ForkPool
from augcli.manifests.errors import AugcliError
from augcli.train.batch_memory import (
    BatchMemory,
    Block,
    Shape,
    SharedMemory,
    map_block,
    private_memory,
    shared_memory,
)
from augcli.train.order import Indices
from augcli.train.views import RowFault, Views

MOST_VIEWS_PER_TASK = 32

Filled = Callable[[], list[RowFault]]
"""Waits until a block is filled, and tells what is missing."""


class LoaderLostError(AugcliError):
    """A loader process ended by itself."""

    def __init__(self) -> None:
        super().__init__(
            "a loader process was killed, most likely because the memory ran out: free some, or "
            "use fewer --workers"
        )


class Filler(Protocol):
    """Fills blocks of its memory."""

    @property
    def memory(self) -> BatchMemory:
        """Where the blocks come from."""
        ...

    @property
    def ahead(self) -> int:
        """How many batches to begin before the first of them is wanted."""
        ...

    def begin(self, block: Block, indices: Indices, epoch: int) -> Filled:
        """Begin to fill the first len(indices) images of a block."""
        ...

    def close(self) -> None:
        """Stop. Idempotent."""
        ...


class CallerFiller:
    """Fills a block when it is waited for."""

    ahead = 1

    def __init__(self, views: Views, shape: Shape, *, pinned: bool = False) -> None:
        self.memory = private_memory(shape, pinned=pinned)
        self._views = views

    def begin(self, block: Block, indices: Indices, epoch: int) -> Filled:
        """Nothing yet."""
        return lambda: self._views.read(indices, epoch, block.pixels[: len(indices)])

    def close(self) -> None:
        """Let go of the memory."""
        self.memory.close()


class ThreadFiller:
    """Fills blocks piece by piece with threads of this process."""

    def __init__(self, views: Views, shape: Shape, threads: int, *, pinned: bool = False) -> None:
        self.memory = private_memory(shape, pinned=pinned)
        self.ahead = 3
        self._views = views
        self._threads = threads
        self._closing = threading.Event()
        self._pool: ThreadPoolExecutor | None = None

    def begin(self, block: Block, indices: Indices, epoch: int) -> Filled:
        """Hand the pieces out; they are taken up in this order."""
        if self._pool is None:
            self._closing.clear()
            self._pool = ThreadPoolExecutor(self._threads, "augcli-loader", one_thread_each)
        size = max(1, min(MOST_VIEWS_PER_TASK, -(-len(indices) // self._threads)))
        pieces = [
            (first, self._pool.submit(self._fill, block.pixels, indices, epoch, first, size))
            for first in range(0, len(indices), size)
        ]
        return lambda: _joined(pieces)

    def close(self) -> None:
        """Let the threads end what view they are at."""
        if self._pool is not None:
            self._closing.set()
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
        self.memory.close()

    def _fill(
        self, pixels: Pixels, indices: Indices, epoch: int, first: int, size: int
    ) -> list[RowFault]:
        if self._closing.is_set():
            return []
        part = indices[first : first + size]
        return self._views.read(part, epoch, pixels[first : first + len(part)])


def _joined(pieces: Sequence[tuple[int, Future[list[RowFault]]]]) -> list[RowFault]:
    return [(first + place, reason) for first, piece in pieces for place, reason in piece.result()]


class ProcessFiller:
    """Fills blocks of shared memory with processes, a batch each at a time."""

    def __init__(
        self, views: Views, shape: Shape, processes: int, files: SharedMemory | None = None
    ) -> None:
        """`files` are those that the views use, if they share memory; they end with the filler."""
        self._files = files or SharedMemory()
        self.memory = shared_memory(self._files, shape)
        self.ahead = processes + 2
        self._views = views
        self._shape = shape
        self._processes = processes
        self._pool: ForkPool | _FreshPool | None = None

    def begin(self, block: Block, indices: Indices, epoch: int) -> Filled:
        """Send the request; pixels don't travel."""
        from concurrent.futures.process import BrokenProcessPool

        if self._pool is None:
            kind = ForkPool if CAN_FORK else _FreshPool
            self._pool = kind(self._processes, partial(_begin_process, self._views))
        try:
            future = self._pool.submit(_fill_shared, block.path, self._shape, indices, epoch)
        except BrokenProcessPool as error:
            raise LoaderLostError() from error

        def filled() -> list[RowFault]:
            try:
                found: list[RowFault] = future.result()
            except BrokenProcessPool as error:
                raise LoaderLostError() from error
            return found

        return filled

    def close(self) -> None:
        """Let the processes end what batch they are at."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None
        self.memory.close()
        self._files.close()


class _FreshPool:
    """joblib's processes, which import everything anew: for other systems than Linux."""

    def __init__(self, workers: int, begin: Callable[[], None]) -> None:
        from joblib.externals.loky import ProcessPoolExecutor

        self._pool = ProcessPoolExecutor(
            workers, initializer=_begin_fresh, initargs=(begin, os.getpid())
        )
        self._asked: deque[Future[Any]] = deque(maxlen=2 * workers + 2)

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """The result of `work(*arguments)` in one of the processes."""
        self._asked.append(self._pool.submit(work, *arguments))
        return self._asked[-1]

    def close(self) -> None:
        """Let the processes end what they are at, and drop the rest."""
        while self._asked:
            self._asked.pop().cancel()
        self._pool.shutdown(wait=True)


def _begin_fresh(begin: Callable[[], None], parent: int) -> None:
    end_with(parent)
    begin()


_views: Views | None = None
_blocks: dict[str, Pixels] = {}


def _begin_process(views: Views) -> None:
    global _views
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)  # torchrun signals a rank's whole group, which may have a step to end
    _views = views
    _blocks.clear()
    begin_worker()


def _fill_shared(path: str, shape: Shape, indices: Indices, epoch: int) -> list[RowFault]:
    assert _views is not None
    if path not in _blocks:
        _blocks[path] = map_block(path, shape)
    return _views.read(indices, epoch, _blocks[path][: len(indices)])
