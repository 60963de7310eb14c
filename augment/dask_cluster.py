"""Tasks on Dask's workers.

By Dask's own calls and not through joblib's back-end for it, which stores a task's arguments on
one worker, with which they are lost, and waits for ever for a task that can't be done any more.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack
from importlib import import_module
from typing import Any

from augcli.augment.clusters import KEPT, LOST, SAME, Done, OnWorker, check_installed
from augcli.manifests.errors import AugcliError, UsageError

CONNECT_SECONDS = 20
WORKER_SECONDS = 120
"""For the first worker to join: clusters that grow with their work take their time."""


class DaskCluster:
    """A Dask scheduler and its workers: those at `address`, or `workers` processes here."""

    def __init__(self, workers: int, address: str | None) -> None:
        """Connect, or start a local cluster.

        Raises:
            UsageError: Dask isn't installed, or no scheduler answers at the address.
        """
        check_installed("dask", "distributed")
        distributed: Any = import_module("distributed")
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is raised
        with ExitStack() as stack:
            where: Any = address
            if address is None:
                where = distributed.LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    dashboard_address=None,
                    memory_limit=None,
                    silence_logs=logging.CRITICAL,
                )
                stack.callback(where.close)
            try:
                self._client: Any = distributed.Client(
                    where, timeout=CONNECT_SECONDS, set_as_default=False
                )
            except (OSError, ValueError) as error:
                raise UsageError(
                    f"--scheduler {address}: no Dask scheduler answers there ({error}); give the "
                    "address that `dask scheduler` printed, as tcp://HOST:8786"
                ) from error
            stack.callback(self._client.close)
            self._done: Any = distributed.as_completed([], loop=self._client.loop)
            self._open = stack.pop_all()
        self._run: OnWorker[Any, Any] | None = None
        self._has_workers = False

    def begin(self, run: OnWorker[Any, Any]) -> None:
        """What the workers do with each task."""
        self._run = run

    def slots(self) -> int:
        """One for each worker process: threads of a process take turns."""
        return len(self._client.nthreads())

    def start(self, task: Any) -> None:
        """Hand the scheduler a task, which is begun again should its worker be lost."""
        self._done.add(self._client.submit(self._run, task, pure=False))

    def finished(self) -> Done[Any]:
        """Wait for any task."""
        from concurrent.futures import CancelledError

        from distributed.scheduler import KilledWorker

        self._wait_for_workers()
        try:
            done: Done[Any] = next(self._done).result()
        except KilledWorker as error:
            raise AugcliError(LOST) from error
        except ImportError as error:
            raise AugcliError(f"a Dask worker can't begin: {error}; {SAME}") from error
        except (CancelledError, OSError) as error:
            raise AugcliError(f"the Dask scheduler is gone: {error}; {KEPT}") from error
        return done

    def close(self) -> None:
        """Leave the scheduler; tasks that wait there are dropped."""
        self._open.close()

    def _wait_for_workers(self) -> None:
        if self._has_workers:
            return
        try:
            self._client.wait_for_workers(1, timeout=WORKER_SECONDS)
        except TimeoutError as error:
            raise AugcliError(
                f"--scheduler: no worker joined the Dask scheduler within {WORKER_SECONDS} "
                "seconds: start some with `dask worker`"
            ) from error
        self._has_workers = True
