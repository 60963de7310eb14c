"""Tasks on a cluster: few at a time, each result once, and a clear word when a worker differs."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any

import pytest

from augcli.augment import ExpandConfig, clusters, expand
from augcli.augment.clusters import AHEAD, Done, OnWorker, check_installed, run_on
from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.versions import PIXEL_PACKAGES, package_versions


class Here:
    """A cluster of `room` slots that does a task when its result is waited for, the last first."""

    def __init__(self, room: int = 2) -> None:
        self.room = room
        self.tasks: deque[Any] = deque()
        self.most = 0
        self.closed = 0

    def begin(self, run: OnWorker[Any, Any]) -> None:
        self.run = run

    def slots(self) -> int:
        return self.room

    def start(self, task: Any) -> None:
        self.tasks.append(task)
        self.most = max(self.most, len(self.tasks))

    def finished(self) -> Done[Any]:
        return self.run(self.tasks.pop())

    def close(self) -> None:
        self.closed += 1


def double(number: int) -> int:
    if number < 0:
        raise AugcliError(f"{number}.jpg: can't be read")
    return 2 * number


@pytest.mark.parametrize("count", [0, 1, 3, 50])
def test_each_result_once_and_few_under_way(count: int) -> None:
    cluster = Here()
    results = run_on(cluster, double, range(count), ())
    assert len(cluster.tasks) == min(count, 2 * AHEAD)  # begun before anyone asks
    assert sorted(results) == [2 * number for number in range(count)]
    assert cluster.most <= 2 * AHEAD
    assert cluster.closed == 1


def test_a_cluster_that_grows_gets_more_tasks() -> None:
    cluster = Here(room=0)
    results = run_on(cluster, double, range(50), ())
    assert cluster.most == AHEAD  # one slot at least: the work is what makes it grow
    next(results)
    cluster.room = 5
    next(results)
    assert cluster.most == 5 * AHEAD
    assert len(list(results)) == 48


def test_a_failure_is_raised_and_the_cluster_let_go() -> None:
    cluster = Here()
    with pytest.raises(AugcliError, match=r"-1.jpg: can't be read"):
        list(run_on(cluster, double, [4, 3, 2, 1, -1, 5], ()))
    assert cluster.closed == 1


def test_an_interruption_lets_go_of_the_cluster() -> None:
    cluster = Here()
    run_on(cluster, double, range(9), ()).close()
    assert cluster.closed == 1


def test_a_worker_with_other_versions_is_refused() -> None:
    versions = package_versions(PIXEL_PACKAGES)
    right = OnWorker(double, (), versions)
    assert right(3).unwrapped() == 6
    wrong = OnWorker(double, (), {**versions, "numpy": "0.1"})
    with pytest.raises(AugcliError, match=r"has numpy .*, and 0\.1 is wanted"):
        wrong(3).unwrapped()


def test_a_worker_that_does_not_see_the_folders_is_refused(tmp_path: Path) -> None:
    run = OnWorker(double, (tmp_path, tmp_path / "gone"), {})
    with pytest.raises(AugcliError, match=r"gone: the worker on .* doesn't see it: --data and"):
        run(3).unwrapped()


def test_an_engine_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"--engine ray: .*pip install 'augcli\[ray\]'"):
        check_installed("ray", "ray")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scheduler": "tcp://a:1"}, "--scheduler goes with --engine dask"),
        ({"address": "auto"}, "--address goes with --engine ray"),
        ({"engine": "ray", "scheduler": "tcp://a:1"}, "--scheduler goes with --engine dask"),
        ({"engine": "dask", "scheduler": "tcp://a:1", "workers": 2}, "--workers 2: the cluster"),
        ({"engine": "slurm"}, "--engine.*dask"),
    ],
)
def test_options_that_do_not_go_together(
    photos: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        expand(ExpandConfig(data=str(photos), out=tmp_path / "out", **changes))
    assert not (tmp_path / "out").exists()
