"""Run a peer as a command of its own, timed from the start of its process to its exit."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from side_by_side.inspection import Inspection, faults
from side_by_side.peers import BASE, PEERS
from side_by_side.peers.own_command import command as own_command
from side_by_side.processes import PeerError, fresh, last_output_line, timed
from side_by_side.work import Work


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
    with fresh(output.parent):
        work_file = output.parent / "work.json"
        work.write(work_file)
        if name == BASE:
            command = own_command(work)
        else:
            output.mkdir()
            command = [sys.executable, "-m", "side_by_side.run_peer", name, str(work_file)]
        os.sync()  # what an earlier run left to be written is not this one's to pay
        used = timed(command, output.parent / "peer.log", timeout_seconds)
        found = _inspect(name, output)
    wrong = faults(found, work, images)
    if wrong:
        raise PeerError(f"not equal work: {'; '.join(wrong)}")
    return Run(
        used.seconds,
        found.views / used.seconds,
        used.cpu_seconds,
        used.peak_bytes,
        used.others_share,
        found,
    )


def _inspect(name: str, output: Path) -> Inspection:
    command = [sys.executable, "-m", "side_by_side.inspection", name, str(output)]
    line = last_output_line(command, output.parent, "its output can't be read back")
    return Inspection(**json.loads(line))


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
