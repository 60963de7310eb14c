"""Run a peer as a command of its own, timed from the start of its process to its exit."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from side_by_side.inspection import Inspection, faults
from side_by_side.machine import busy_seconds
from side_by_side.peers import BASE, PEERS
from side_by_side.peers.own_command import command as own_command
from side_by_side.work import Work

HERE = Path(__file__).resolve().parent.parent
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes in a unit of ru_maxrss


class PeerError(Exception):
    """A peer failed, took too long, or did other work than was asked for."""


@dataclass(frozen=True)
class Run:
    """One timed run. `cpu_seconds` is of all its processes, `peak_bytes` of the largest one.

    `others_share` is the part of the machine's cores that other work took meanwhile (0 to 1).
    """

    seconds: float
    views_per_second: float
    cpu_seconds: float
    peak_bytes: int
    others_share: float
    inspection: Inspection


def run_peer(name: str, work: Work, images: int, timeout_seconds: float) -> Run:
    """Let a peer do the work in a fresh folder, check what it wrote, and remove it.

    Raises:
        PeerError: it failed, or its output is not the work.
    """
    output = Path(work.output)
    with _fresh(output):
        work_file = output.parent / "work.json"
        work.write(work_file)
        if name == BASE:
            command = own_command(work)
        else:
            output.mkdir()
            command = [sys.executable, "-m", "side_by_side.run_peer", name, str(work_file)]
        os.sync()  # what an earlier run left to be written is not this one's to pay
        log = output.parent / "peer.log"
        busy_before = busy_seconds()
        seconds, usage = _timed(command, log, timeout_seconds)
        busy_after = busy_seconds()
        found = _inspect(name, output)
    wrong = faults(found, work, images)
    if wrong:
        raise PeerError(f"not equal work: {'; '.join(wrong)}")
    cpu_seconds = usage.ru_utime + usage.ru_stime
    peak_bytes = usage.ru_maxrss * RSS_UNIT
    others = 0.0
    if busy_before is not None and busy_after is not None:
        others = max(0.0, busy_after - busy_before - cpu_seconds) / (
            seconds * (os.cpu_count() or 1)
        )
    return Run(seconds, found.views / seconds, cpu_seconds, peak_bytes, others, found)


def environment() -> dict[str, str]:
    """What all processes of the comparison see: our modules, and nothing that asks a network."""
    python_path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
    quiet = ["HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "NO_ALBUMENTATIONS_UPDATE"]
    return {**os.environ, "PYTHONPATH": python_path, **dict.fromkeys(quiet, "1")}


def _timed(
    command: list[str], log: Path, timeout_seconds: float
) -> tuple[float, resource.struct_rusage]:
    """Seconds from start to exit, and the resources of the process and those it waited for."""
    with open(log, "wb") as stream:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env=environment(),
            cwd=log.parent,
            start_new_session=True,
        )
        watch = threading.Timer(timeout_seconds, _end_group, [process.pid])
        watch.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
        finally:
            watch.cancel()
            _end_group(process.pid)  # whatever it left behind, so that the next peer is alone
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        end = "killed, perhaps by --timeout" if process.returncode < 0 else _last_line(log)
        raise PeerError(f"failed: {end}")
    return seconds, usage


def _end_group(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _inspect(name: str, output: Path) -> Inspection:
    command = [sys.executable, "-m", "side_by_side.inspection", name, str(output)]
    result = subprocess.run(
        command, capture_output=True, text=True, env=environment(), cwd=output.parent
    )
    if result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise PeerError(f"its output can't be read back: {reason}")
    return Inspection(**json.loads(result.stdout.strip().splitlines()[-1]))


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "without a word"


@contextmanager
def _fresh(output: Path) -> Iterator[None]:
    """A new, empty folder around `output`, gone afterwards."""
    shutil.rmtree(output.parent, ignore_errors=True)
    output.parent.mkdir(parents=True)
    try:
        yield
    finally:
        shutil.rmtree(output.parent, ignore_errors=True)


def installed(names: list[str], policy: str) -> tuple[list[str], dict[str, str]]:
    """Which of `names` can run here, and why the others can't."""
    left_out = {}
    for name in names:
        missing = PEERS[name].missing()
        if missing:
            left_out[name] = f"not installed: {', '.join(missing)}"
        elif policy not in PEERS[name].policies:
            left_out[name] = f"has nothing like the policy {policy}"
    return [name for name in names if name not in left_out], left_out
