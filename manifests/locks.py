"""Advisory locks on open files; the system releases them however we end. Forks don't hold them."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

held: set[int] = set()
"""Descriptors open for a lock in this process."""


def _close_held() -> None:
    """Else a forked worker process would hold the locks of a parent that was killed."""
    for descriptor in held:
        os.close(descriptor)
    held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_held)


def open_to_lock(path: Path, flags: int) -> int:
    """A descriptor of `path` for the functions below.

    Raises:
        OSError: it can't be opened.
    """
    descriptor = os.open(path, flags, 0o666)
    held.add(descriptor)
    return descriptor


def lock_now(descriptor: int) -> bool:
    """Take the lock; False where there are none: on Windows and some network file systems.

    Raises:
        BlockingIOError: someone else has it.
    """
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


def let_go(descriptor: int) -> None:
    """Release the lock, if it was taken, and close. In a fork both were done already."""
    if descriptor not in held:
        return
    held.discard(descriptor)
    if sys.platform != "win32":
        import fcntl

        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing does not while a fork has it open
    os.close(descriptor)
