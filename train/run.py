"""`augcli train`: choose the run folder, open the sources, train."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from augcli.manifests.reference import Failure
from augcli.manifests.settings import check_settings
from augcli.train.budget import Clock
from augcli.train.config import TrainConfig
from augcli.train.course import check_course
from augcli.train.models import check_model_name
from augcli.train.run_folder import run_folder
from augcli.train.settling import check_residual
from augcli.train.sources import make_data, open_sources, source_of, tell
from augcli.train.step import choose_device
from augcli.train.stop import StopRequest
from augcli.train.together import Together, joined
from augcli.train.trainer import Progress, Row, TrainResult, run_training
from augcli.train.world import world_of_environment


def train(
    config: TrainConfig,
    report: Callable[[Row], None] | None = None,
    progress: Callable[[Progress], None] | None = None,
    left_out: Callable[[tuple[Failure, ...]], None] | None = None,
    note: Callable[[str], None] | None = None,
    began: float | None = None,
) -> TrainResult:
    """Train a classifier from stored views or by augmenting on the fly.

    `report` is called after each epoch and `progress` after each step; `left_out` hears of the
    inputs that can't be used, when training from a reference dataset, and `note` of what was
    chosen that a user may want to know. `--budget` counts from `began` on, a reading of
    `time.monotonic`, or from now.

    Under `torchrun` the ranks train one model: `--batch-size` is that of all together. Each gets
    the result; only the first one writes files and calls back.

    Raises:
        UsageError: bad options, or a run folder that doesn't suit them.
        Interrupted: SIGINT or SIGTERM came; the run was saved and can be resumed.
        AugcliError: no dataset there, an unusable view, a loss that became infinite, a file that
            can't be written, another training in the same folder, or a rank that ended.
    """
    clock = Clock(began)
    config = check_settings(config)
    check_model_name(config.model)
    check_course(config)
    check_residual(config.residual)
    world = world_of_environment()
    device = choose_device(config.device, world)
    source = source_of(config)
    stop = StopRequest(agreed=world.ranks > 1)
    with ExitStack() as stack:
        stack.push(stop)  # heard until all is told, for torchrun signals ranks that are ending
        together = stack.enter_context(joined(world, device))
        folder = _folder(config, source, together, stack)
        _make_data(config, together)
        opened = open_sources(config, device, world)
        stack.callback(opened.sources.close)
        if together.is_first:
            tell(opened, left_out, note)
        else:
            report = progress = note = None
        stop.listen()
        return run_training(
            dataclasses.replace(config, source=source),
            opened.sources,
            folder,
            opened.description,
            report,
            progress,
            together,
            stop,
            note,
            clock,
        )


def _folder(config: TrainConfig, source: str, together: Together, stack: ExitStack) -> Path:
    """The first rank finds the folder, and the others hear of it."""
    path = ""
    if together.is_first:
        path = str(stack.enter_context(run_folder(config.out, config.resume, source)))
    return Path(together.first_bytes(path.encode()).decode())


def _make_data(config: TrainConfig, together: Together) -> None:
    """The first rank, then the first ones of other machines: what they make is for all there."""
    if together.is_alone:
        return
    world = together.world
    for its_turn in (world.is_first, world.local_rank == 0 and not world.is_first):
        if its_turn:
            make_data(config)
        together.wait()
