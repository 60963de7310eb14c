"""Commands of their own: timed from start to exit, ended with all that they started."""

from __future__ import annotations

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

from side_by_side.machine import busy_seconds

HERE = Path(__file__).resolve().parent.parent
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes in a unit of ru_maxrss


class PeerError(Exception):
    """A peer failed, took too long, or did other work than was asked for."""


@dataclass(frozen=True)
class Usage:
    """What a command took. `cpu_seconds` is of all its processes, `peak_bytes` of the largest one.

    `others_share` is the part of the machine's cores that other work took meanwhile (0 to 1).
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    others_share: float


def environment() -> dict[str, str]:
    """What all processes of the comparison see: our modules, and nothing that asks a network."""
    python_path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
    quiet = ["HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "NO_ALBUMENTATIONS_UPDATE"]
    return {**os.environ, "PYTHONPATH": python_path, **dict.fromkeys(quiet, "1")}


def timed(command: list[str], log: Path, timeout_seconds: float) -> Usage:
    """Run a command in the folder of `log`, which gets all that it prints.

    Raises:
        PeerError: it failed, or took too long.
    """
    busy_before = busy_seconds()
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
    return _usage(seconds, usage, busy_before)


def last_output_line(command: list[str], folder: Path, what_failed: str) -> str:
    """The last line that a command prints on stdout.

    Raises:
        PeerError: it failed; the message begins with `what_failed`.
    """
    result = subprocess.run(command, capture_output=True, text=True, env=environment(), cwd=folder)
    if result.returncode != 0:
        reason = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise PeerError(f"{what_failed}: {reason}")
    return result.stdout.strip().splitlines()[-1]


@contextmanager
def fresh(folder: Path) -> Iterator[None]:
    """A new, empty folder, gone afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _usage(seconds: float, usage: resource.struct_rusage, busy_before: float | None) -> Usage:
    cpu_seconds = usage.ru_utime + usage.ru_stime
    busy_after = busy_seconds()
    others = 0.0
    if busy_before is not None and busy_after is not None:
        cores = os.cpu_count() or 1
        others = max(0.0, busy_after - busy_before - cpu_seconds) / (seconds * cores)
    return Usage(seconds, cpu_seconds, usage.ru_maxrss * RSS_UNIT, others)


def _end_group(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "without a word"
