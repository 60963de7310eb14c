"""Locks between the processes that share a cache; the system releases them however we end."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_held: set[int] = set()


def _close_held() -> None:
    """Else a forked loader process would hold the locks of a parent that was killed."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_held)


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
        _close(self.descriptor)


def try_lock(path: Path) -> Lock | None:
    """The lock on `path`, a file that is made if there is none; None while someone has it.

    Another thread of this process counts as someone.

    Raises:
        OSError: the file can't be made.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        _held.add(descriptor)
        try:
            is_real = _locked(descriptor)
        except BlockingIOError:
            _close(descriptor)
            return None
        if not is_real or _is_file(descriptor, path):
            return Lock(path, descriptor, is_real)
        _close(descriptor)  # its last owner removed it meanwhile


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


def _close(descriptor: int) -> None:
    if descriptor in _held:  # not in a fork, where it is closed already
        _held.discard(descriptor)
        os.close(descriptor)


def _is_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _locked(descriptor: int) -> bool:
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks
        return False
    return True
