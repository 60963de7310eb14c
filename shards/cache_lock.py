"""Locks between the processes that share a cache; the system releases them however we end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from augcli.manifests.locks import let_go, lock_now, open_to_lock


@dataclass(frozen=True)
class Lock:
    """A lock on the file `path`, which may go with it.

    `is_real` is False where the system has no locks: on Windows, where two processes at once are
    not told apart, and on some network file systems. There everything is taken for free.
    """

    path: Path
    descriptor: int
    is_real: bool

    def release(self, *, remove: bool) -> None:
        """Let others have it; with `remove`, its file goes first, while nobody else holds it."""
        if remove:
            with contextlib.suppress(OSError):
                self.path.unlink()
        let_go(self.descriptor)


def try_lock(path: Path) -> Lock | None:
    """The lock on `path`, a file that is made if there is none; None while someone has it.

    Another thread of this process counts as someone.

    Raises:
        OSError: the file can't be made.
    """
    while True:
        descriptor = open_to_lock(path, os.O_RDWR | os.O_CREAT)
        try:
            is_real = lock_now(descriptor)
        except BlockingIOError:
            let_go(descriptor)
            return None
        if not is_real or _is_file(descriptor, path):
            return Lock(path, descriptor, is_real)
        let_go(descriptor)  # its last owner removed it meanwhile


@contextlib.contextmanager
def locked(path: Path, pause: Callable[[], None], *, remove: bool) -> Iterator[Lock]:
    """Hold the lock on `path`; while someone else does, `pause` is called again and again.

    What `pause` raises ends the waiting. With `remove` the file goes when the lock is released.

    Raises:
        OSError: the file can't be made.
    """
    while (lock := try_lock(path)) is None:
        pause()
    try:
        yield lock
    finally:
        lock.release(remove=remove)


def _is_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
