"""Memory of batches, used again and again: fresh memory costs more than filling it.

A block is lent to a batch and comes back when nobody holds that batch any more, nor a tensor or
array that shares its memory. So a batch that is kept stays as it is, and one that is let go of
costs nothing. Blocks are uint8 of shape (batch size, height, width, 3).
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from augcli.augment.decode import Pixels

if TYPE_CHECKING:
    import torch  # only where batches are handed out: loader processes do without

Shape = tuple[int, int, int, int]


@dataclass(frozen=True)
class Block:
    """One block; `path` is the file that other processes map it by, if any.

    Such a block can be pickled: what is unpickled is the same memory.
    """

    pixels: Pixels
    path: str | None = None

    def __reduce__(self) -> tuple[object, ...]:
        assert self.path is not None, "this memory belongs to one process"
        return _mapped, (self.path, self.pixels.shape)


class BatchMemory:
    """Blocks of one shape, made by `make` when all that there are are lent."""

    def __init__(self, make: Callable[[], Block]) -> None:
        self._make = make
        self._free: deque[Block] = deque()  # whose append and pop are atomic
        self._closed = False

    def take(self) -> Block:
        """A block to be filled."""
        try:
            return self._free.pop()
        except IndexError:
            return self._make()

    def give_back(self, block: Block) -> None:
        """A block that nobody holds."""
        if not self._closed:
            self._free.append(block)

    def close(self) -> None:
        """Let go of all memory but what is lent; that goes when its borrower does."""
        self._closed = True
        self._free.clear()

    def lend(self, block: Block, count: int) -> torch.Tensor:
        """The first `count` images of a block, uint8 (count, 3, height, width), channels_last.

        The block comes back when the tensor's memory is no longer referred to.
        """
        import torch

        pixels = block.pixels[:count]  # an array of its own, which the tensor's storage holds
        weakref.finalize(pixels, self.give_back, block).atexit = False
        return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def private_memory(shape: Shape, *, pinned: bool) -> BatchMemory:
    """Blocks for threads; `pinned` ones can be copied to a GPU while it computes."""
    import torch

    def make() -> Block:
        if pinned:
            return Block(torch.empty(shape, dtype=torch.uint8, pin_memory=True).numpy())
        return Block(np.empty(shape, np.uint8))

    return BatchMemory(make)


class SharedMemory:
    """Files in memory that processes map by their names; gone with this process, however it ends.

    Room is reserved before it is used: where the system's shared memory is too small for it (64 MB
    in many containers), files on disk take its place, which the system keeps in memory as it can.
    """

    def __init__(self) -> None:
        from joblib.externals.loky.backend import resource_tracker

        self._folders: list[str] = []
        self._tracker = resource_tracker
        self._files = 0

    def create(self, shape: tuple[int, ...]) -> Block:
        """Zeros of `shape`, uint8.

        Raises:
            OSError: no room.
        """
        size = max(1, math.prod(shape))
        for parent in _shared_places():
            try:
                return self._create(parent, shape, size)
            except OSError as error:
                refused = error
        raise refused

    def close(self) -> None:
        """Remove the files; memory that is still held stays valid. Idempotent."""
        while self._folders:
            folder = self._folders.pop()
            shutil.rmtree(folder, ignore_errors=True)
            self._tracker.unregister(folder, "folder")

    def _create(self, parent: str, shape: tuple[int, ...], size: int) -> Block:
        path = Path(self._folder(parent)) / str(self._files)
        self._files += 1
        with open(path, "xb") as file:
            try:
                _reserve(file.fileno(), size)
            except OSError:
                path.unlink()
                raise
        return Block(map_block(str(path), shape), str(path))

    def _folder(self, parent: str) -> str:
        for folder in self._folders:
            if Path(folder).parent == Path(parent):
                return folder
        folder = tempfile.mkdtemp(prefix="augcli-", dir=parent)
        self._tracker.register(folder, "folder")
        self._folders.append(folder)
        return folder


def map_block(path: str, shape: tuple[int, ...]) -> Pixels:
    """The memory of a block that another process made."""
    return np.memmap(path, np.uint8, "r+", shape=shape).view(np.ndarray)


def _mapped(path: str, shape: tuple[int, ...]) -> Block:
    return Block(map_block(path, shape), path)


def shared_memory(files: SharedMemory, shape: Shape) -> BatchMemory:
    """Blocks for processes."""
    return BatchMemory(lambda: files.create(shape))


def _reserve(file: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:
        os.truncate(file, size)


def _shared_places() -> list[str]:
    places = [tempfile.gettempdir()]
    return ["/dev/shm", *places] if Path("/dev/shm").is_dir() else places
