"""`python -m side_by_side.minutes.run_trainer TRAINER WORK.json RESULT.json`: one trainer, here."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import asdict
from pathlib import Path

from side_by_side.minutes.outcome import Outcome
from side_by_side.minutes.trainers import TRAINERS
from side_by_side.minutes.work import load_work


def main() -> None:
    """Train, and write the outcome as JSON."""
    name, work, result = sys.argv[1:]
    trainer = TRAINERS[name]
    outcome: Outcome = importlib.import_module(trainer.module).run(load_work(work), trainer.variant)
    Path(result).write_text(json.dumps(asdict(outcome)), encoding="utf-8")


if __name__ == "__main__":  # loader workers may import this file again
    main()
