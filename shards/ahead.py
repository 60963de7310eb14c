"""Shards kept open: those read last, and those to be read next, fetched in the background."""

from __future__ import annotations

import mmap
import os
import queue
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby

from augcli.shards.stop import Stop

MAX_MAPS = 64  # kept when no order is expected: each holds a descriptor
_JOIN_SECONDS = 5.0  # a thread that waits for a silent server ends when that one times out

Open = Callable[[str, Stop], mmap.mmap]


class OpenShards:
    """Maps of shards by name. Safe to use from several threads.

    Up to `ahead` of the expected ones are fetched while others are read, as far as they fit into
    `room` bytes together with the one that is read; of those read before, `ahead + 1` stay, as
    several may be read in turns. A fork begins anew, with nothing open and nothing expected.
    """

    def __init__(self, open_shard: Open, sizes: Mapping[str, int], room: int, ahead: int) -> None:
        """`open_shard` gets a shard, however long it takes, or raises Stopped when its stop is set;
        `sizes` are the shards' bytes by name.
        """
        self._open_shard = open_shard
        self._sizes = sizes
        self._room = room
        self._ahead = ahead
        self._renew()
        _alive.add(self)

    def _renew(self) -> None:
        self._changed = threading.Condition()
        self._maps: OrderedDict[str, mmap.mmap] = OrderedDict()  # the one used last comes last
        self._last: tuple[str, mmap.mmap] | None = None
        self._busy: set[str] = set()
        self._failed: dict[str, Exception] = {}
        self._expected: Sequence[str] = ()
        self._first: dict[str, int] = {}
        self._position = -1
        self._threads: list[threading.Thread] = []
        self._stop = Stop()
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()

    def get(self, shard: str) -> mmap.mmap:
        """The map of a shard; blocks until it is there.

        Raises:
            Exception: what `open_shard` raised, here or in the background.
        """
        last = self._last
        if last is not None and last[0] == shard:
            return last[1]
        del last  # it would keep that map while the next shard needs the room
        with self._changed:
            self._move_to(shard)
            while shard in self._busy:
                self._changed.wait()
            if failure := self._failed.pop(shard, None):
                raise failure
            mapped = self._maps.get(shard)
            if mapped is not None:
                self._maps.move_to_end(shard)
                self._last = (shard, mapped)
                return mapped
            self._begin(shard)
        try:
            mapped = self._open_shard(shard, Stop())
        except BaseException:
            self._end(shard)
            raise
        self._end(shard, mapped)
        self._last = (shard, mapped)
        return mapped

    def expect(self, shards: Iterable[str]) -> None:
        """Shards in the order in which they will be read from now on."""
        with self._changed:
            self._expected = [name for name, _ in groupby(shards)]
            self._first = {}
            for index, name in enumerate(self._expected):
                self._first.setdefault(name, index)
            self._position, self._last = -1, None
            self._failed.clear()
            if self._expected and self._ahead and not self._threads:
                self._start_threads()
            self._wake_threads()

    def halt(self) -> None:
        """Tell the threads to end, without waiting and without locks: fit for a finalizer."""
        self._stop.set()
        self._wake_threads()

    def close(self) -> None:
        """Stop the threads and forget all maps; it can be used again. Idempotent."""
        self.halt()
        with self._changed:
            threads, self._threads = self._threads, []
            self._stop, self._wake = Stop(), queue.SimpleQueue()
            self._expected, self._first, self._position = (), {}, -1
            self._failed.clear()
            self._maps.clear()
            self._last = None
        for thread in threads:
            thread.join(_JOIN_SECONDS)

    def _start_threads(self) -> None:
        self._threads = [
            threading.Thread(
                target=self._work, args=(self._stop, self._wake), name="augcli-ahead", daemon=True
            )
            for _ in range(self._ahead)
        ]
        for thread in self._threads:
            thread.start()

    def _wake_threads(self) -> None:
        for _ in self._threads:
            self._wake.put(None)

    def _work(self, stop: Stop, wake: queue.SimpleQueue[None]) -> None:
        while True:
            wake.get()
            while (shard := self._begin_next(stop)) is not None:
                self._fetch(shard, stop)
            if stop.is_set():
                return

    def _fetch(self, shard: str, stop: Stop) -> None:
        """Fetch a shard that was begun, in the background."""
        outcome: mmap.mmap | Exception
        try:
            outcome = self._open_shard(shard, stop)
        except Exception as error:  # the reader of the shard gets it
            outcome = error
        self._end(shard, None if stop.is_set() else outcome)

    def _begin_next(self, stop: Stop) -> str | None:
        """The next shard that a background thread shall fetch, begun."""
        with self._changed:
            if stop.is_set():
                return None
            for shard in self._window():
                if not (shard in self._maps or shard in self._busy or shard in self._failed):
                    self._begin(shard)
                    return shard
        return None

    def _begin(self, shard: str) -> None:
        """Say that a shard is being fetched, and drop maps for it. Called with the lock held."""
        self._busy.add(shard)
        kept = {shard, self._reading(), *self._window()}
        total = sum(self._sizes[name] for name in (*self._maps, *self._busy))
        most = 2 * (self._ahead + 1) if self._expected else MAX_MAPS
        for name in list(self._maps):
            if total <= self._room and len(self._maps) + len(self._busy) <= most:
                break
            if name not in kept:
                del self._maps[name]
                total -= self._sizes[name]
                if self._last is not None and self._last[0] == name:
                    self._last = None

    def _end(self, shard: str, outcome: mmap.mmap | Exception | None = None) -> None:
        """Keep what became of a shard that was begun, for those who ask for it."""
        with self._changed:
            self._busy.discard(shard)
            if isinstance(outcome, Exception):
                self._failed[shard] = outcome
            elif outcome is not None:
                self._maps[shard] = outcome
            self._changed.notify_all()

    def _move_to(self, shard: str) -> None:
        """Note that a shard is read: those before it in the order are not waited for.

        A shard that was passed already and isn't due is one of several that are read in turns.
        """
        next_one = self._position + 1
        due = self._expected[next_one : next_one + self._ahead + 1]
        is_due = shard in due
        position = next_one + due.index(shard) if is_due else self._first.get(shard, -1)
        if position > self._position:
            self._position = position
            self._wake_threads()

    def _reading(self) -> str | None:
        """The expected shard that is read now, if any is."""
        return self._expected[self._position] if self._position >= 0 else None

    def _window(self) -> list[str]:
        """The shards to have next: those after the one that is read, as far as they fit."""
        reading = self._reading()
        room = self._room - (self._sizes[reading] if reading is not None else 0)
        window: list[str] = []
        for index in range(self._position + 1, len(self._expected)):
            name = self._expected[index]
            if len(window) == self._ahead:
                break
            if name != reading and name not in window:
                room -= self._sizes[name]
                if room < 0:
                    break
                window.append(name)
        return window


_alive: weakref.WeakSet[OpenShards] = weakref.WeakSet()


def _renew_all() -> None:
    """A fork has none of the threads, and perhaps locks that they held."""
    for shards in list(_alive):
        shards._renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
