"""Locks: one owner at a time among threads and processes, and none when that one is gone."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest

from augcli.manifests import locks
from augcli.shards import cache_lock
from augcli.shards.cache_lock import locked, try_lock
from augcli.shards.stop import Stop, Stopped

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no locks")


def test_one_owner_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    lock = try_lock(path)
    assert lock is not None and lock.is_real
    assert try_lock(path) is None
    lock.release(remove=False)
    again = try_lock(path)
    assert again is not None
    again.release(remove=True)
    assert not path.exists()


def test_threads_take_turns(tmp_path: Path) -> None:
    """Also where each removes the file that the others wait for."""
    inside, most, done = [], [], []

    def work() -> None:
        for _ in range(50):
            with locked(tmp_path / "x.lock", lambda: Stop().sleep(0.0001), remove=True):
                inside.append(1)
                most.append(len(inside))
                inside.pop()
                done.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (max(most), len(done)) == (1, 200)
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_file_that_was_removed_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was opened before its owner let it go, and someone else has the file that came after."""
    path = tmp_path / "x.lock"
    first = try_lock(path)
    assert first is not None
    real, later = cache_lock.lock_now, []

    def too_late(descriptor: int) -> bool:
        monkeypatch.setattr(cache_lock, "lock_now", real)
        first.release(remove=True)
        later.append(try_lock(path))
        return real(descriptor)

    monkeypatch.setattr(cache_lock, "lock_now", too_late)
    assert try_lock(path) is None
    assert later[0] is not None
    later[0].release(remove=True)


def test_waiting_can_be_stopped(tmp_path: Path) -> None:
    stop = Stop()
    stop.set()

    def wait() -> None:
        stop.sleep(1)

    with (
        locked(tmp_path / "x.lock", wait, remove=True),
        pytest.raises(Stopped),
        locked(tmp_path / "x.lock", wait, remove=True),
    ):
        pass


def hold(path: Path, ready: Any) -> None:
    with locked(path, lambda: None, remove=True):
        ready.set()
        signal.pause()


def test_a_killed_owner_owns_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=hold, args=(path, ready))
    process.start()
    assert ready.wait(20)
    assert try_lock(path) is None
    process.kill()
    process.join()
    lock = try_lock(path)
    assert lock is not None
    lock.release(remove=True)


def test_a_fork_owns_nothing(tmp_path: Path) -> None:
    """Else the lock of a killed trainer would live as long as its loader processes."""
    path = tmp_path / "x.lock"
    lock = try_lock(path)
    assert lock is not None
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some Pythons warn of forks beside threads
        child = os.fork()
    if child == 0:
        os.write(write, b"x")
        signal.pause()
    os.read(read, 1)
    os.close(lock.descriptor)  # as the system does when we are killed: nothing is unlocked
    locks.held.discard(lock.descriptor)
    try:
        again = try_lock(path)
        assert again is not None
        again.release(remove=True)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(read)
        os.close(write)


def test_where_files_have_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", none)
    first, second = try_lock(tmp_path / "x.lock"), try_lock(tmp_path / "x.lock")
    assert first is not None and second is not None
    assert not first.is_real
    first.release(remove=False)
    second.release(remove=False)
