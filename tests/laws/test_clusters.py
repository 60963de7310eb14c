"""Law 5 beyond this machine's own processes: the same bytes from Dask and Ray, a worker killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from augcli.augment import ExpandConfig, dask_cluster, expand
from augcli.manifests.errors import UsageError
from augcli.manifests.manifest import MANIFEST_FILE, WORK_FOLDER

SECONDS = 60
CONFIG = ExpandConfig(copies=12, size=48, policy="basic", shard_size=2, workers=2)
OPTIONS = ("--copies", "12", "--size", "48", "--policy", "basic", "--shard-size", "2")


def tree(folder: Path) -> dict[str, bytes]:
    found = folder.rglob("*")
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in found if p.is_file()}


@pytest.fixture(scope="module")
def local(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("local") / "out"
    expand(replace(CONFIG, data=str(photos), out=out))
    return tree(out)


def wait_until(found: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not found():
        assert time.monotonic() < end
        time.sleep(0.005)


def begin(photos: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "augcli.cli", "expand", "--data", str(photos)]
    return subprocess.Popen(
        [*command, "--out", str(out), *OPTIONS, *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_midway(out: Path, worker: Callable[[], int | None]) -> None:
    """SIGKILL to a worker once something is finished."""
    wait_until(lambda: list((out / WORK_FOLDER).glob("*.json")) and worker())
    pid = worker()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert not (out / MANIFEST_FILE).exists()


def assert_ends_well(process: subprocess.Popen[str]) -> None:
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def command_lines() -> Iterator[tuple[int, str]]:
    """Of all processes of this system (Linux)."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            yield int(folder.name), (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue


def dask(*arguments: str) -> subprocess.Popen[bytes]:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, "-m", "dask", *arguments], **quiet)  # type: ignore[call-overload, no-any-return]


def test_dask_at_an_address(photos: Path, tmp_path: Path, local: dict[str, bytes]) -> None:
    pytest.importorskip("distributed")
    file, out = tmp_path / "scheduler.json", tmp_path / "out"
    place = ("--scheduler-file", str(file), "--no-dashboard")
    one = ("--no-nanny", "--nthreads", "1")
    with ExitStack() as stack:
        scheduler, *workers = (
            dask("scheduler", "--port", "0", *place),
            *(dask("worker", *place, *one) for _ in range(2)),
        )
        for process in (scheduler, *workers):
            stack.callback(process.wait)
            stack.callback(process.kill)
        wait_until(lambda: file.exists() and file.read_text())
        address = json.loads(file.read_text())["address"]
        process = begin(photos, out, "--engine", "dask", "--scheduler", address)
        kill_midway(out, lambda: workers[0].pid)
        assert_ends_well(process)
    assert tree(out) == local


def test_dask_here(photos: Path, tmp_path: Path, local: dict[str, bytes]) -> None:
    pytest.importorskip("distributed")
    assert_ends_well(begin(photos, tmp_path / "out", "--engine", "dask", "--workers", "2"))
    assert tree(tmp_path / "out") == local


def test_no_scheduler_at_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 0.2)
    with pytest.raises(UsageError, match=r"--scheduler tcp://127\.0\.0\.1:9: no Dask"):
        dask_cluster.DaskCluster(1, "tcp://127.0.0.1:9")


def test_ray_here(photos: Path, tmp_path: Path, local: dict[str, bytes]) -> None:
    pytest.importorskip("ray")
    before = {pid for pid, _ in command_lines()}

    def worker() -> int | None:
        new = (pid for pid, line in command_lines() if "ray::_call" in line and pid not in before)
        return next(new, None)

    out = tmp_path / "out"
    process = begin(photos, out, "--engine", "ray", "--workers", "2")
    kill_midway(out, worker)
    assert_ends_well(process)
    assert tree(out) == local
