"""Engines past this machine: tasks on the workers of a cluster.

The workers read --data and write --out by themselves, so both lie on storage that all of them
share; tasks and counts are all that travels. A result does not depend on the engine, and a task
whose worker was killed goes to another one: a task can be done twice.
"""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from augcli.augment.config import DASK, RAY, ExpandConfig
from augcli.augment.engines import one_thread_each
from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.versions import PIXEL_PACKAGES, other_versions, package_versions

AHEAD = 2
"""Tasks for each of the cluster's slots that are at work or wait for it."""
RETRIES = 3
"""Workers that a task may lose and be begun again."""

KEPT = "what was finished is kept: run it again"
SAME = "install the same augcli on all workers"
LOST = f"{RETRIES + 1} workers were killed at the same task, perhaps for lack of memory; {KEPT}"

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Done(Generic[ResultT]):
    """What came of a task; an error travels as a value, which no cluster dresses up."""

    result: ResultT | None = None
    error: AugcliError | None = None

    def unwrapped(self) -> ResultT:
        """The result.

        Raises:
            AugcliError: the task's.
        """
        if self.error is not None:
            raise self.error
        return self.result  # type: ignore[return-value]


@dataclass(frozen=True)
class OnWorker(Generic[TaskT, ResultT]):
    """`work`, as a worker on any machine does it: one task at a time in each process.

    `shared` are folders that every worker must see; `versions` those of the packages that decide
    bytes.
    """

    work: Callable[[TaskT], ResultT]
    shared: tuple[Path, ...]
    versions: dict[str, str]

    def __call__(self, task: TaskT) -> Done[ResultT]:
        """Do one task."""
        try:
            with _one_at_a_time:  # a worker may have threads, and a view maker is for one
                one_thread_each()
                self._check()
                return Done(self.work(task))
        except AugcliError as error:
            return Done(error=error)

    def _check(self) -> None:
        """Raises: AugcliError: this worker would make other bytes, or write elsewhere."""
        host = socket.gethostname()
        for name, installed in other_versions(self.versions):
            raise AugcliError(
                f"the worker on {host} has {name} {installed}, and {self.versions[name]} is "
                "wanted: install the same versions on all workers"
            )
        for folder in self.shared:
            if not folder.exists():
                raise AugcliError(
                    f"{folder}: the worker on {host} doesn't see it: --data and --out have to lie "
                    "on storage that all workers share, under the same path"
                )


_one_at_a_time = threading.Lock()


class Cluster(Protocol):
    """A connection to where tasks run."""

    def begin(self, run: OnWorker[Any, Any]) -> None:
        """What it does with each task."""

    def slots(self) -> int:
        """How many tasks it does at once, as of now."""

    def start(self, task: Any) -> None:
        """Hand it a task."""

    def finished(self) -> Done[Any]:
        """Wait for any of the tasks that it was handed.

        Raises:
            AugcliError: it is gone, or it gave a task up.
        """

    def close(self) -> None:
        """Let go of it; one that was started for this is stopped. Tasks that wait are dropped."""


def check_engine(config: ExpandConfig) -> None:
    """Raises: UsageError: an option that doesn't go with the engine."""
    addresses = {DASK: ("--scheduler", config.scheduler), RAY: ("--address", config.address)}
    for engine, (option, address) in addresses.items():
        if address is None:
            continue
        if config.engine != engine:
            raise UsageError(f"{option} goes with --engine {engine}: add that, or leave it out")
        if config.workers is not None:
            raise UsageError(
                f"--workers {config.workers}: the cluster at {address} has its own; leave it out"
            )


def connect(engine: str, workers: int, address: str | None) -> Cluster:
    """To the cluster at `address`, or to one of `workers` processes that is started here.

    Raises:
        UsageError: `engine` isn't installed, or there is none at the address.
    """
    from augcli.augment.dask_cluster import DaskCluster
    from augcli.augment.ray_cluster import RayCluster

    clusters: dict[str, Callable[[int, str | None], Cluster]] = {
        DASK: DaskCluster,
        RAY: RayCluster,
    }
    return clusters[engine](workers, address)


def check_installed(engine: str, module: str) -> None:
    """Raises: UsageError: it is not."""
    if find_spec(module) is None:
        raise UsageError(f"--engine {engine}: is not installed: pip install 'augcli[{engine}]'")


def run_on(
    cluster: Cluster,
    work: Callable[[TaskT], ResultT],
    tasks: Sequence[TaskT],
    shared: Sequence[Path],
) -> Generator[ResultT, None, None]:
    """Results of `work` over `tasks` as they finish on a cluster, which is closed at the end.

    The first tasks are under way when this returns.
    """
    results = _results(
        cluster, OnWorker(work, tuple(shared), package_versions(PIXEL_PACKAGES)), tasks
    )
    next(results)  # begun, so that closing it closes the cluster
    return results


def _results(
    cluster: Cluster, run: OnWorker[TaskT, ResultT], tasks: Sequence[TaskT]
) -> Generator[Any, None, None]:
    left, under_way = iter(tasks), 0
    try:
        cluster.begin(run)
        under_way = _fill(cluster, left, under_way)
        yield None
        while under_way:
            done = cluster.finished()
            under_way = _fill(cluster, left, under_way - 1)
            yield done.unwrapped()
    finally:
        cluster.close()


def _fill(cluster: Cluster, left: Iterator[TaskT], under_way: int) -> int:
    """Start as many tasks as the cluster has room for by now; how many are under way then."""
    room = max(1, cluster.slots()) * AHEAD - under_way
    for task in itertools.islice(left, max(0, room)):
        cluster.start(task)
        under_way += 1
    return under_way
