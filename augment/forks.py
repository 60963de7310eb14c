"""Forked worker processes: there in no time, with everything imported; for Linux.

A fork has only the thread that called it: what the workers do must not need any other.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import queue
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, TypeVar

CAN_FORK = sys.platform == "linux"
AHEAD = 4
"""Tasks for each process that are at work or wait for it."""

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")


class ForkPool:
    """`workers` processes, forked when the first work comes; they end with this process, however
    it ends.
    """

    def __init__(self, workers: int, begin: Callable[[], None]) -> None:
        """`begin` is called in each process first."""
        life, self._ours = os.pipe()  # the workers read: its end is the end of this process
        self._theirs = life
        context = multiprocessing.get_context("fork")
        self._workers = workers
        self._pool = ProcessPoolExecutor(workers, context, _begin, (life, self._ours, begin))
        self._forked = False

    def submit(self, work: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """The result of `work(*arguments)`, both picklable, in one of the processes.

        Raises:
            BrokenProcessPool: a process was killed; the future may raise it too.
        """
        if self._forked:
            with _no_interrupts():
                return self._pool.submit(work, *arguments)
        self._forked = True
        try:
            with _no_interrupts(), warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
                return self._pool.submit(work, *arguments)
        finally:
            os.close(self._theirs)

    def results(
        self, work: Callable[[TaskT], ResultT], tasks: Iterable[TaskT]
    ) -> Iterator[ResultT]:
        """Results as they finish. The processes are there when this returns.

        Few tasks are under way at a time, and an interruption finds no lock held that the pool
        needs to end; `concurrent.futures.as_completed` holds one for each task while it begins.

        Raises:
            BrokenProcessPool: a process was killed.
        """
        done: queue.SimpleQueue[Future[ResultT]] = queue.SimpleQueue()

        def start(task: TaskT) -> None:
            with _no_interrupts():
                self.submit(work, task).add_done_callback(done.put)

        left = iter(tasks)
        under_way = 0
        for task in itertools.islice(left, self._workers * AHEAD):
            start(task)
            under_way += 1

        def finished() -> Iterator[ResultT]:
            for task in left:
                yield done.get().result()
                start(task)
            for _ in range(under_way):
                yield done.get().result()

        return finished()

    def close(self) -> None:
        """Let the processes end what they are at, and drop the rest. Idempotent."""
        self._pool.shutdown(cancel_futures=True)
        if self._ours >= 0:
            self._end()
            if not self._forked:
                os.close(self._theirs)

    def stop(self) -> None:
        """End the processes in the midst of their work."""
        self._end()
        self.close()

    def _end(self) -> None:
        ours, self._ours = self._ours, -1
        if ours >= 0:
            os.close(ours)


@contextlib.contextmanager
def _no_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back; processes forked meanwhile never see it: it is the parent's to handle."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(life: int, parents: int, begin: Callable[[], None]) -> None:
    os.close(parents)
    threading.Thread(target=_exit_at_end_of, args=(life,), daemon=True).start()
    begin()


def _exit_at_end_of(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    os._exit(1)
