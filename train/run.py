"""`augcli train`: choose the run folder, open the sources, train."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

from augcli.manifests.errors import UsageError
from augcli.manifests.reference import Failure
from augcli.manifests.settings import check_settings
from augcli.train.config import TrainConfig
from augcli.train.models import check_model_name
from augcli.train.sources import open_sources, source_of
from augcli.train.step import choose_device
from augcli.train.trainer import Progress, Row, TrainResult, run_training

DEFAULT_RUNS = Path("runs")
_NUMBERED = re.compile(r"(\d{3,})-(shards|on-the-fly|none)")


def train(
    config: TrainConfig,
    report: Callable[[Row], None] | None = None,
    progress: Callable[[Progress], None] | None = None,
    left_out: Callable[[tuple[Failure, ...]], None] | None = None,
) -> TrainResult:
    """Train a classifier from stored views or by augmenting on the fly.

    `report` is called after each epoch and `progress` after each step; `left_out` hears of the
    inputs that can't be used, when training from a reference dataset.

    Raises:
        UsageError: bad options, or a run folder that doesn't suit them.
        Interrupted: SIGINT or SIGTERM came; the run was saved and can be resumed.
        AugcliError: no dataset there, an unusable view, or a loss that became infinite.
    """
    check_settings(config)
    check_model_name(config.model)
    device = choose_device(config.device)
    folder = run_folder(config)
    opened = open_sources(config, device.type)
    if left_out is not None and opened.failures:
        left_out(opened.failures)
    config = dataclasses.replace(config, source=source_of(config))
    try:
        return run_training(config, opened.sources, folder, opened.description, report, progress)
    finally:
        opened.sources.close()


def run_folder(config: TrainConfig) -> Path:
    """Where the run goes: `--out`, else a new number in ./runs, or the newest to resume.

    Raises:
        UsageError: nothing to resume.
    """
    if config.out is not None:
        return config.out
    runs = numbered_runs(DEFAULT_RUNS)
    if config.resume:
        if not runs:
            raise UsageError(f"--resume: no run in {DEFAULT_RUNS}; name one with --out")
        return runs[-1]
    number = 1 + max((int(run.name.partition("-")[0]) for run in runs), default=0)
    return DEFAULT_RUNS / f"{number:03d}-{source_of(config)}"


def numbered_runs(folder: Path) -> list[Path]:
    """The runs that `run_folder` has numbered, oldest first."""
    if not folder.is_dir():
        return []
    runs = [path for path in folder.iterdir() if _NUMBERED.fullmatch(path.name)]
    return sorted(runs, key=lambda path: int(path.name.partition("-")[0]))
