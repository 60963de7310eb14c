"""Processor time of this process and of those that it started, in seconds of one core."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

_PROC = Path("/proc")
_USER, _SYSTEM, _PARENT = 11, 12, 1
"""Where fields of `/proc/PID/stat` are, counted from the one behind the command's name."""


def counts_live_children() -> bool:
    """Whether the time of processes that have not ended yet is known here: on Linux."""
    return (_PROC / "self/stat").exists()


def cpu_seconds() -> float:
    """Of this process, its children that ended, and, on Linux, those at work."""
    times = os.times()
    ended = times.children_user + times.children_system
    return time.process_time() + ended + _live_children()


def _live_children() -> float:
    if not counts_live_children():
        return 0.0
    ticks = sum(map(_ticks_of_child, _PROC.glob("[0-9]*/stat")))
    return ticks / os.sysconf("SC_CLK_TCK")


def _ticks_of_child(stat: Path) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):  # it may end meanwhile
        fields = stat.read_text().rpartition(")")[2].split()
        if int(fields[_PARENT]) == os.getpid():
            return int(fields[_USER]) + int(fields[_SYSTEM])
    return 0
