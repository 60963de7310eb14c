"""The steps of a comparison, each in a process of its own: expand, train."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from side_by_side.minutes.outcome import Outcome, outcome_of
from side_by_side.minutes.trainers import TRAINERS
from side_by_side.minutes.work import TEST, VALIDATION, MinutesWork
from side_by_side.processes import PeerError, Usage, fresh, timed


@dataclass(frozen=True)
class MinutesRun:
    """One training, and what its process took from start to exit."""

    seed: int
    outcome: Outcome
    used: Usage


def here(names: list[str]) -> tuple[list[str], dict[str, str]]:
    """Which of the trainers can run here, and why the others can't."""
    missing = {name: TRAINERS[name].missing() for name in names}
    left_out = {
        name: f"not installed: {', '.join(those)}" for name, those in missing.items() if those
    }
    return [name for name in names if name not in left_out], left_out


def expand(work: MinutesWork, timeout_seconds: float) -> float:
    """Let augcli store the rounds that it trains from; the seconds that took.

    Raises:
        PeerError: it failed.
    """
    from side_by_side.minutes.trainers.own_recipe import expand_command

    return timed(expand_command(work), Path(work.folder, "expand.log"), timeout_seconds).seconds


def train(
    name: str, work: MinutesWork, images: dict[str, int], timeout_seconds: float
) -> MinutesRun:
    """One training; `images` are those of each split.

    Raises:
        PeerError: it failed, or was not evaluated on all images.
    """
    with fresh(work.run):
        work_file, result = work.run / "work.json", work.run / "result.json"
        work.write(work_file)
        command = ["side_by_side.minutes.run_trainer", name, str(work_file), str(result)]
        used = timed([sys.executable, "-m", *command], work.run / "trainer.log", timeout_seconds)
        if not result.exists():
            raise PeerError("failed: it left no result")
        outcome = outcome_of(json.loads(result.read_text(encoding="utf-8")))
    for split, right in ((VALIDATION, outcome.validation), (TEST, outcome.test)):
        if right.images != images[split]:
            raise PeerError(f"not equal work: saw {right.images} of {images[split]} {split} images")
    return MinutesRun(work.seed, outcome, used)
