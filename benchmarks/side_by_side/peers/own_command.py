"""augcli by its own command line."""

from __future__ import annotations

import sys
from pathlib import Path

from side_by_side.stored import tar_views as views
from side_by_side.work import QUALITY, Work

__all__ = ["command", "views"]


def command(work: Work, codec: str = "jpeg", shard_images: int | None = None) -> list[str]:
    """The command that a user would type; as many images per shard as augcli likes by default."""
    program = Path(sys.executable).with_name("augcli")
    start = [str(program)] if program.exists() else [sys.executable, "-m", "augcli.cli"]
    options = {
        "--data": work.data,
        "--out": work.output,
        "--copies": work.copies,
        "--policy": work.policy_argument,
        "--size": work.size,
        "--workers": work.workers,
        "--codec": codec,
        "--quality": QUALITY,
        "--seed": work.seed,
        "--val-fraction": 0,
        "--test-fraction": 0,
    }
    if shard_images is not None:
        options["--shard-size"] = shard_images
    words = [str(word) for pair in options.items() for word in pair]
    return [*start, "expand", "--no-originals", *words]
