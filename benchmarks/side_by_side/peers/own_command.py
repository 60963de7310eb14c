"""augcli by its own command line."""

from __future__ import annotations

import sys
from pathlib import Path

from side_by_side.stored import tar_views as views
from side_by_side.work import QUALITY, Work

__all__ = ["command", "program", "views"]


def program() -> list[str]:
    """`augcli` as it is installed beside this Python, or its module."""
    installed = Path(sys.executable).with_name("augcli")
    return [str(installed)] if installed.exists() else [sys.executable, "-m", "augcli.cli"]


def command(work: Work, codec: str = "jpeg", shard_images: int | None = None) -> list[str]:
    """The command that a user would type; as many images per shard as augcli likes by default."""
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
    return [*program(), "expand", "--no-originals", *words]
