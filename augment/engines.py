"""Engines run tasks: here, or in a pool of processes. A result does not depend on which.

An engine is a function (work, tasks, workers) -> results in any order; a failure in a task ends
the run with that task's exception.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from augcli.manifests.errors import AugcliError

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")

_WATCH_SECONDS = 0.5
_watching = False


def default_workers() -> int:
    """One worker per core that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def run_tasks(
    work: Callable[[TaskT], ResultT], tasks: Sequence[TaskT], workers: int
) -> Iterator[ResultT]:
    """Results of `work` over `tasks` as they finish, by up to `workers` processes."""
    if workers <= 1 or len(tasks) <= 1:
        return map(work, tasks)
    return _run_in_processes(work, tasks, min(workers, len(tasks)))


def _run_in_processes(
    work: Callable[[TaskT], ResultT], tasks: Iterable[TaskT], workers: int
) -> Iterator[ResultT]:
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    parallel = Parallel(
        n_jobs=workers, backend="loky", return_as="generator_unordered", batch_size=1
    )
    parent = os.getpid()
    results: Any = parallel(delayed(_in_worker)(work, task, parent) for task in tasks)
    try:
        yield from results
    except TerminatedWorkerError as error:
        raise AugcliError(
            "a worker process was killed, perhaps for lack of memory; what was finished is kept: "
            "run it again, with fewer --workers if memory is short"
        ) from error


def _in_worker(work: Callable[[TaskT], ResultT], task: TaskT, parent: int) -> ResultT:
    """Run a task in a pool process: one thread, and no life beyond the parent's."""
    import cv2

    cv2.setNumThreads(0)
    _watch_parent(parent)
    return work(task)


def _watch_parent(parent: int) -> None:
    """End this process when its parent dies, even by SIGKILL, so that a rerun is alone."""
    global _watching
    if not _watching:
        _watching = True
        threading.Thread(target=_exit_with, args=(parent,), daemon=True).start()


def _exit_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os._exit(1)
