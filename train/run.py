"""`augcli train`: choose the run folder, open the sources, train."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from augcli.manifests.reference import Failure
from augcli.manifests.settings import check_settings
from augcli.train.config import TrainConfig
from augcli.train.models import check_model_name
from augcli.train.residual_spec import parse_residual
from augcli.train.run_folder import run_folder
from augcli.train.schedules.registry import check_schedule
from augcli.train.sources import open_sources, source_of
from augcli.train.step import choose_device
from augcli.train.trainer import Progress, Row, TrainResult, run_training


def train(
    config: TrainConfig,
    report: Callable[[Row], None] | None = None,
    progress: Callable[[Progress], None] | None = None,
    left_out: Callable[[tuple[Failure, ...]], None] | None = None,
    note: Callable[[str], None] | None = None,
) -> TrainResult:
    """Train a classifier from stored views or by augmenting on the fly.

    `report` is called after each epoch and `progress` after each step; `left_out` hears of the
    inputs that can't be used, when training from a reference dataset, and `note` of what was
    chosen that a user may want to know.

    Raises:
        UsageError: bad options, or a run folder that doesn't suit them.
        Interrupted: SIGINT or SIGTERM came; the run was saved and can be resumed.
        AugcliError: no dataset there, an unusable view, a loss that became infinite, a file that
            can't be written, or another training in the same folder.
    """
    config = check_settings(config)
    check_model_name(config.model)
    check_schedule(config)
    if config.residual is not None:
        config = dataclasses.replace(config, residual=str(parse_residual(config.residual)))
    device = choose_device(config.device)
    source = source_of(config)
    with run_folder(config.out, config.resume, source) as folder:
        opened = open_sources(config, device)
        if left_out is not None and opened.failures:
            left_out(opened.failures)
        if note is not None:
            for line in opened.notes:
                note(line)
        config = dataclasses.replace(config, source=source)
        try:
            return run_training(
                config, opened.sources, folder, opened.description, report, progress
            )
        finally:
            opened.sources.close()
