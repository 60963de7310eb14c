"""Engines run tasks: here, or in a pool of processes. A result does not depend on which.

An engine is a function (work, tasks, workers) -> results in any order; a failure in a task ends
the run with that task's exception.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

from augcli.augment.forks import CAN_FORK, ForkPool
from augcli.manifests.errors import AugcliError

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")

_WATCH_SECONDS = 0.5
_LOST_WORKER = (
    "a worker process was killed, perhaps for lack of memory; what was finished is kept: "
    "run it again, with fewer --workers if memory is short"
)


def default_workers() -> int:
    """One worker per core that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def run_tasks(
    work: Callable[[TaskT], ResultT], tasks: Sequence[TaskT], workers: int
) -> Generator[ResultT, None, None]:
    """Results of `work` over `tasks` as they finish, by up to `workers` processes.

    The processes are there when this returns: threads that the caller starts afterwards are no
    trouble to them.
    """
    if workers <= 1 or len(tasks) <= 1:
        return (work(task) for task in tasks)
    engine = _in_forks if _can_fork() else _in_fresh_processes
    return engine(work, tasks, min(workers, len(tasks)))


def _can_fork() -> bool:
    """Forks start in no time, with everything imported; but a fork has only the calling thread."""
    return CAN_FORK and threading.active_count() == 1


def _in_forks(
    work: Callable[[TaskT], ResultT], tasks: Sequence[TaskT], workers: int
) -> Generator[ResultT, None, None]:
    """Forked workers; they end with this process, however it ends."""
    pool = ForkPool(workers, begin_worker)
    results = _results(pool, work, tasks)
    next(results)  # begun, so that closing it ends the workers
    return results


def _results(
    pool: ForkPool, work: Callable[[TaskT], ResultT], tasks: Sequence[TaskT]
) -> Generator[Any, None, None]:
    from concurrent.futures.process import BrokenProcessPool

    try:
        results = pool.results(work, tasks)
        yield None
        yield from results
    except BrokenProcessPool as error:
        raise AugcliError(_LOST_WORKER) from error
    except BaseException:
        pool.stop()  # in the midst of their tasks
        raise
    finally:
        pool.close()


def begin_worker() -> None:
    """One thread per process; Ctrl-C is the parent's to handle."""
    one_thread_each()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def one_thread_each() -> None:
    """For workers side by side: OpenCV's own threads would only stand in each other's way."""
    import cv2

    cv2.setNumThreads(0)


def _in_fresh_processes(
    work: Callable[[TaskT], ResultT], tasks: Sequence[TaskT], workers: int
) -> Generator[ResultT, None, None]:
    """joblib's workers, which import everything anew: on every system, beside any threads."""
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
        raise AugcliError(_LOST_WORKER) from error
    finally:
        with warnings.catch_warnings(action="ignore"):  # that tasks were given up: it is meant
            results.close()


_watching = False


def _in_worker(work: Callable[[TaskT], ResultT], task: TaskT, parent: int) -> ResultT:
    """Run a task in one of joblib's processes, which must not outlive this one either."""
    global _watching
    if not _watching:
        _watching = True
        begin_worker()
        end_with(parent)
    return work(task)


def end_with(parent: int) -> None:
    """Have this process end when `parent` has, however it did."""
    threading.Thread(target=_exit_without, args=(parent,), daemon=True).start()


def _exit_without(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os._exit(1)
