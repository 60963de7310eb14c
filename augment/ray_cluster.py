"""Tasks on the machines of a Ray cluster.

By Ray's own calls and not through its back-end for joblib, which gives no result before the last
one and does not begin a task again whose worker was killed.
"""

from __future__ import annotations

import logging
import os
from importlib import import_module
from typing import Any

from augcli.augment.clusters import KEPT, LOST, RETRIES, SAME, Done, OnWorker, check_installed
from augcli.manifests.errors import AugcliError, UsageError


class RayCluster:
    """A Ray cluster: the one at `address`, or `workers` processes here."""

    def __init__(self, workers: int, address: str | None) -> None:
        """Connect, or start Ray on this machine.

        Raises:
            UsageError: Ray isn't installed, or no cluster answers at the address.
        """
        check_installed("ray", "ray")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray: Any = import_module("ray")
        own = {"num_cpus": workers, "include_dashboard": False} if address is None else {}
        try:
            ray.init(address or "local", logging_level=logging.CRITICAL, log_to_driver=False, **own)
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error).partition("\n")[0]
            raise UsageError(
                f"--address {address}: no Ray cluster answers there ({reason}); give the address "
                "of its head, as ray://HOST:10001, or auto on one of its machines"
            ) from error
        self._ray = ray
        self._call = ray.remote(num_cpus=1, max_retries=RETRIES)(_call)
        self._run: Any = None
        self._under_way: list[Any] = []

    def begin(self, run: OnWorker[Any, Any]) -> None:
        """What the workers do with each task: stored once for all of them."""
        self._run = self._ray.put(run)

    def slots(self) -> int:
        """One for each of its cores."""
        return int(self._ray.cluster_resources().get("CPU", 0))

    def start(self, task: Any) -> None:
        """Hand it a task, which is begun again should its worker be lost."""
        self._under_way.append(self._call.remote(self._run, task))

    def finished(self) -> Done[Any]:
        """Wait for any task."""
        from ray import exceptions

        try:
            (first,), self._under_way = self._ray.wait(self._under_way, num_returns=1)
            done: Done[Any] = self._ray.get(first)
        except exceptions.RayTaskError as error:
            if isinstance(error.cause, ImportError):
                raise AugcliError(f"a Ray worker can't begin: {error.cause}; {SAME}") from error
            raise
        except (exceptions.WorkerCrashedError, exceptions.OutOfMemoryError) as error:
            raise AugcliError(LOST) from error
        except (exceptions.RayError, ConnectionError) as error:
            reason = str(error).partition("\n")[0]
            raise AugcliError(f"the Ray cluster failed: {reason}; {KEPT}") from error
        return done

    def close(self) -> None:
        """Leave the cluster; tasks that wait there are dropped."""
        self._ray.shutdown()


def _call(run: OnWorker[Any, Any], task: Any) -> Done[Any]:
    return run(task)
