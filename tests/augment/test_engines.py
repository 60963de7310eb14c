"""Engines: the same results whichever runs the tasks, and one clear end when one goes wrong."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from joblib.externals.loky import get_reusable_executor

from augcli.augment import engines, forks
from augcli.augment.forks import ForkPool
from augcli.manifests.errors import AugcliError

ENGINES = ["here", "forks", "fresh"]


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fresh processes import this file by its name, and pytest alone doesn't see to it."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    get_reusable_executor().shutdown(kill_workers=True)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process of its own: other tests leave idle threads (of datasets, fsspec)."""
    count = threading.active_count
    others = count() - 1
    monkeypatch.setattr(threading, "active_count", lambda: count() - others)


@contextlib.contextmanager
def engine(name: str) -> Iterator[int]:
    """Workers to ask for, so that `run_tasks` takes this engine."""
    if name != "fresh":
        yield 1 if name == "here" else 2
        return
    done = threading.Event()  # beside a thread no process is forked
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        yield 2
    finally:
        done.set()
        thread.join()


def square(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


def fails_at_three(number: int) -> int:
    if number == 3:
        raise AugcliError("three.jpg: can't be read")
    time.sleep(0.02)
    return number


def dies_at_three(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def marks(folder: str) -> Callable[[int], int]:
    return _Marks(folder)


class _Marks:
    """Notes that a task began, and takes its time."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self, number: int) -> int:
        (Path(self.folder) / str(number)).touch()
        time.sleep(0.05 if number else 0.0)
        return number


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("count", [0, 1, 2, 17])
def test_every_task_once(name: str, count: int) -> None:
    with engine(name) as workers:
        results = list(engines.run_tasks(square, range(count), workers))
    assert sorted(result for result, _ in results) == [n * n for n in range(count)]
    outside = {process for _, process in results} - {os.getpid()}
    assert bool(outside) == (name != "here" and count > 1)
    assert len(outside) <= 2


@pytest.mark.parametrize("name", ENGINES)
def test_a_failure_ends_the_run_with_its_own_words(name: str) -> None:
    with (
        engine(name) as workers,
        pytest.raises(AugcliError, match=r"^three\.jpg: can't be read$"),
    ):
        list(engines.run_tasks(fails_at_three, range(50), workers))


@pytest.mark.parametrize("name", ["forks", "fresh"])
def test_a_killed_worker_is_told(name: str) -> None:
    with (
        engine(name) as workers,
        pytest.raises(AugcliError, match=r"a worker process was killed.*--workers"),
    ):
        list(engines.run_tasks(dies_at_three, range(8), workers))


def test_few_tasks_are_under_way_at_a_time() -> None:
    """However many there are: each holds a lock for a moment, in which Ctrl-C may come."""
    begun: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(100):
            begun.append(number)
            yield number

    pool = ForkPool(2, engines.begin_worker)
    try:
        results = pool.results(square, tasks())
        assert len(begun) == 2 * forks.AHEAD
        for number, _ in enumerate(results, start=1):
            assert len(begun) <= number + 2 * forks.AHEAD
    finally:
        pool.close()
    assert number == len(begun) == 100


def test_giving_up_ends_the_workers(tmp_path: Path) -> None:
    """Closing the results, as any interruption of the parent does, stops what is at work."""
    results = engines.run_tasks(marks(str(tmp_path)), range(200), 2)
    next(results)
    results.close()
    begun = len(list(tmp_path.iterdir()))
    assert begun < 150
    time.sleep(0.2)
    assert len(list(tmp_path.iterdir())) == begun


def test_giving_up_before_the_first_result_ends_the_workers(tmp_path: Path) -> None:
    """The parent has work of its own meanwhile, and can be interrupted in it."""
    engines.run_tasks(marks(str(tmp_path)), range(200), 2).close()
    begun = len(list(tmp_path.iterdir()))
    assert begun < 150
    time.sleep(0.2)
    assert len(list(tmp_path.iterdir())) == begun


def test_interrupts_are_held_back_from_workers_only() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    masks = list(engines.run_tasks(mask, range(4), 2))
    assert all(signal.SIGINT in blocked for blocked in masks)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def mask(number: int) -> set[int]:
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, ()))


def big_view(number: int) -> int:
    import cv2
    import numpy as np

    return int(cv2.warpAffine(np.ones((2048, 2048, 3), np.uint8), np.eye(2, 3), (2048, 2048)).sum())


def test_forks_do_not_trip_over_what_the_parent_did() -> None:
    """The parent tries views before it forks; OpenCV's threads, if any, stay behind."""
    expected = big_view(0)
    assert list(engines.run_tasks(big_view, range(2), 2)) == [expected, expected]


def test_a_worker_per_core_that_may_be_used() -> None:
    assert engines.default_workers() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("interactive", [True, False])
def test_the_command_line_forks_with_a_progress_bar_too(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interactive: bool
) -> None:
    """The bar's thread begins after the processes: else each would import everything anew."""
    import sys

    from augcli.cli import main

    used = []
    original = engines._in_forks

    def noted(*arguments: object) -> object:
        used.append(True)
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(engines, "_in_forks", noted)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: interactive, raising=False)
    arguments = ["expand", "--data", str(photos), "--out", str(tmp_path / "out"), "--size", "24"]
    main([*arguments, "--workers", "2", "--shard-size", "6"], standalone_mode=False)
    assert used == [True]
