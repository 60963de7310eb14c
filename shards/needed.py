"""Which cached files this process needs now: being fetched, or mapped with anyone still reading."""

from __future__ import annotations

import contextlib
import mmap
import os
import threading
import weakref
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

_pins: Counter[Path] = Counter()
_maps: dict[Path, weakref.WeakSet[mmap.mmap]] = {}
_counting = threading.Lock()


def _forget_pins() -> None:
    """Their threads don't outlive a fork; maps do as long as someone has them."""
    global _counting
    _counting = threading.Lock()
    _pins.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pins)


@contextlib.contextmanager
def pinned(path: Path) -> Iterator[None]:
    """Need a file while the block lasts."""
    pin(path)
    try:
        yield
    finally:
        with _counting:
            _pins[path] -= 1


def pin(path: Path) -> None:
    """Need a file for as long as this process lives."""
    with _counting:
        _pins[path] += 1


def map_needed(path: Path) -> mmap.mmap:
    """A file mapped for reading; it is needed until the map and all views of it are gone.

    Raises:
        OSError: it isn't there, or can't be mapped.
    """
    with open(path, "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    with _counting:
        _maps.setdefault(path, weakref.WeakSet()).add(mapped)
    return mapped


def is_needed(path: Path) -> bool:
    """Whether this process needs the file now."""
    return _pins[path] > 0 or len(_maps.get(path, ())) > 0
