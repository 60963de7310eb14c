"""A training run from its config to its result, whole, interrupted or resumed."""

from __future__ import annotations

import dataclasses
import math
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import torch

from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.settings import check_settings
from augcli.train.batch import Sources
from augcli.train.checkpoint import damaged, load_checkpoint, save_checkpoint
from augcli.train.command import command_line
from augcli.train.config import TrainConfig
from augcli.train.epoch import Progress, StopAsked, train_epoch
from augcli.train.evaluate import Evaluation, evaluate
from augcli.train.faults import told
from augcli.train.finish import TrainResult, finish, result_of
from augcli.train.identity import differences, identity, plain_config
from augcli.train.pictures import LiveCurves
from augcli.train.record import (
    EventLog,
    Row,
    RunFolder,
    write_args,
    write_summary,
)
from augcli.train.run_folder import held
from augcli.train.state import RunState
from augcli.train.step import choose_device
from augcli.train.stop import Interrupted, StopRequest

__all__ = ["Interrupted", "Progress", "Row", "TrainResult", "run_training"]


def run_training(
    config: TrainConfig,
    sources: Sources,
    folder: Path,
    description: dict[str, object],
    report: Callable[[Row], None] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> TrainResult:
    """Train as `config` says on `sources`, leave everything in `folder`, and measure the result.

    `description` says where the views came from, in values that JSON holds; it goes into
    `run.json` and must be the same on resume. `report` is called after each epoch, `progress`
    after each step. `sources` stay open. With `config.resume` the run in `folder` goes on: on a
    CPU, with the same number of torch threads, the result is the same to the last bit as without
    the interruption. A finished run just gives its result.

    Raises:
        UsageError: a bad setting, a folder that already holds a run (without resume) or none
            (with it), or a run to resume that was another one; the differences are listed.
        Interrupted: SIGINT or SIGTERM came; the run was saved between two steps.
        AugcliError: the loss became NaN or infinite, a file of the run is damaged, or a source
            did not give each sample exactly once, a file can't be written, a loader process was
            killed, or another training is at work in `folder`.
    """
    config = check_settings(config)
    device = choose_device(config.device)
    run = RunFolder(folder)
    with _own_random_state(device), StopRequest() as stop:
        state = RunState(config, sources, identity(config, sources, description), device)
        with held(run, config.resume), told(folder, lambda: _go_on(run, config)):
            if config.resume:
                _continue(run, state)
            else:
                _start(run, state, config)
            if not run.record.exists():
                _train(config, sources, run, state, stop, report, progress)
                finish(config, sources, description, run, state)
            return result_of(run, state.rows)


@contextmanager
def _own_random_state(device: torch.device) -> Iterator[None]:
    """Leave torch's global random state, which layers like dropout draw from, as it was."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


def _start(run: RunFolder, state: RunState, config: TrainConfig) -> None:
    # From here on the run can be resumed, even if it is killed in its first epoch.
    save_checkpoint(run.last, state.checkpoint())
    write_args(run.args, plain_config(config))


def _continue(run: RunFolder, state: RunState) -> None:
    checkpoint = load_checkpoint(run.last)
    found = differences(checkpoint.identity, state.identity)
    if found:
        raise UsageError(
            f"{run.folder} can't be resumed, it was another run:\n"
            + "\n".join(f"  {line}" for line in found)
            + "\nuse what it was started with, or start a new run in another --out"
        )
    try:
        state.restore(checkpoint)
    except Exception as error:  # arbitrary content can fail in any way
        raise damaged(run.last, error) from error


def _go_on(run: RunFolder, config: TrainConfig) -> str:
    if not run.last.exists():
        return "then give the command again"
    again = dataclasses.replace(config, out=run.folder, resume=True)
    return f"then go on from the last checkpoint with: {command_line('train', again)}"


def _train(
    config: TrainConfig,
    sources: Sources,
    run: RunFolder,
    state: RunState,
    stop: StopRequest,
    report: Callable[[Row], None] | None,
    progress: Callable[[Progress], None] | None,
) -> None:
    """The epochs that are left."""
    with EventLog(run.folder, state.epoch) as events, LiveCurves(run.curves) as curves:
        if state.rows:
            # A kill may have come between the checkpoint and these files.
            _show(run, state, curves)
        while state.epoch < config.epochs:
            try:
                train_epoch(state, sources.train, stop, progress)
            except StopAsked as asked:
                _interrupt(config, run, state, stop, asked)
            except FloatingPointError as error:
                where = f"step {state.batch + 1} of {state.batches_per_epoch}"
                raise _diverged(run, f"epoch {state.epoch + 1}, {where}", str(error)) from error
            row = state.close_epoch(_validate(sources, run, state))
            _save(run, state)
            events.add(row)
            _show(run, state, curves)
            if report is not None:
                report(row)
            if stop.signal is not None:
                _interrupt(config, run, state, stop, None)


def _validate(sources: Sources, run: RunFolder, state: RunState) -> Evaluation | None:
    if sources.validation is None:
        return None
    with torch.random.fork_rng(devices=[]):  # as in training: a source may draw from it
        evaluation = evaluate(state.model, sources.validation, state.device)
    if not math.isfinite(evaluation.loss):
        where = f"epoch {state.epoch + 1}"
        raise _diverged(run, where, f"the validation loss is {evaluation.loss}")
    return evaluation


def _save(run: RunFolder, state: RunState) -> None:
    """`best.pt` first: when a kill comes in between, the epoch is redone from `last.pt`."""
    if state.best_epoch == state.epoch:
        save_checkpoint(run.best, state.best_checkpoint())
    save_checkpoint(run.last, state.checkpoint())


def _show(run: RunFolder, state: RunState, curves: LiveCurves) -> None:
    assert state.best_epoch is not None
    write_summary(run.summary, state.rows)
    curves.show(state.rows, state.best_epoch)


def _interrupt(
    config: TrainConfig,
    run: RunFolder,
    state: RunState,
    stop: StopRequest,
    cause: Exception | None,
) -> NoReturn:
    assert stop.signal is not None
    save_checkpoint(run.last, state.checkpoint())
    raise Interrupted(
        f"stopped by {signal.Signals(stop.signal).name} after {state.epoch} epochs and "
        f"{state.batch} batches; saved in {run.last}, {_go_on(run, config)}",
        stop.signal,
    ) from cause


def _diverged(run: RunFolder, where: str, what: str) -> AugcliError:
    return AugcliError(
        f"{where}: {what}: try a lower --lr; the last good checkpoint is {run.last}, after "
        f"{_saved(run)}"
    )


def _saved(run: RunFolder) -> str:
    checkpoint = load_checkpoint(run.last)
    return f"{checkpoint.epoch} epochs and {checkpoint.batch} batches"
