"""A peer measured in a process of its own: it may import, and break, what it likes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augcli.manifests.versions import package_versions
from augcli.train.comparisons.measurements import PeerRow, Repeated, read_record, write_record
from augcli.train.comparisons.peers.registry import PEERS
from augcli.train.comparisons.peers.work import PeerWork

SECONDS = 900
"""That a peer may take in all, bringing the views into its own format included."""


@dataclass(frozen=True)
class KeptPeer:
    """A peer's row, and what it was decided by."""

    decided: dict[str, Any]
    row: PeerRow


def without_arm(name: str) -> PeerRow:
    """The row of a peer whose work no arm does."""
    return PeerRow(name, "", None, None, f"no arm does its work: it goes with {PEERS[name].source}")


def peer_row(name: str, arm: str, work: PeerWork, decided: dict[str, Any]) -> PeerRow:
    """How fast a peer does the work of `arm`; measured once, and kept in `work.folder`.

    Where it isn't installed, fails or does other work, the row says so.

    Raises:
        AugcliError: what was kept is damaged.
    """
    peer = PEERS[name]
    if not peer.is_installed:
        return PeerRow(name, arm, None, None, f"not installed: pip install {peer.package}")
    version = package_versions([peer.package])[peer.package]
    decided = {**decided, "version": version}
    path = Path(work.folder) / "row.json"
    if path.exists() and (kept := read_record(path, KeptPeer)).decided == decided:
        return kept.row
    rates, why = _run(name, work)
    row = PeerRow(name, arm, rates, version, why or peer.about)
    if rates is not None:
        write_record(path, KeptPeer(decided, row))
    return row


def _run(name: str, work: PeerWork) -> tuple[Repeated | None, str]:
    """The rates, or why there are none."""
    folder = Path(work.folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    work_file, result = folder / "work.json", folder / "result.json"
    write_record(work_file, work)
    command = ["-m", "augcli.train.comparisons.peers.run_peer", name, str(work_file), str(result)]
    try:
        ended = subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, timeout=SECONDS, check=False
        )
        if ended.returncode:
            lines = ended.stderr.strip().splitlines()
            return None, f"failed: {lines[-1] if lines else f'exit code {ended.returncode}'}"
        return read_record(result, Repeated), ""
    except subprocess.TimeoutExpired:
        return None, f"took over {SECONDS:,} s"
    finally:
        shutil.rmtree(folder)
        folder.mkdir()
