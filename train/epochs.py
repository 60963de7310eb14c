"""The epochs of a run, one after another: trained, validated, judged, saved and shown."""

from __future__ import annotations

import dataclasses
import math
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import NoReturn

import torch

from augcli.manifests.errors import AugcliError, Interrupted
from augcli.train.alternatives import seen_finally
from augcli.train.batch import Batch, Fault, Sources
from augcli.train.budget import Budget
from augcli.train.checkpoint import load_checkpoint
from augcli.train.command import command_line
from augcli.train.config import TrainConfig
from augcli.train.ending import BUDGET, why_ended
from augcli.train.epoch import Progress, StopAsked, train_epoch
from augcli.train.evaluate import Evaluation, evaluate
from augcli.train.event_log import EventLog
from augcli.train.identity import split_samples
from augcli.train.pictures import LiveCurves
from augcli.train.record import Row, RunFolder, add_skipped, write_summary
from augcli.train.saving import best_of, checkpoint_of, save_by_first
from augcli.train.snapshots import keep_snapshot
from augcli.train.state import RunState
from augcli.train.stop import StopRequest
from augcli.train.together import Together


def train_epochs(
    config: TrainConfig,
    sources: Sources,
    run: RunFolder,
    state: RunState,
    stop: StopRequest,
    report: Callable[[Row], None] | None,
    progress: Callable[[Progress], None] | None,
    note: Callable[[str], None] | None,
) -> None:
    """Train the epochs that are left, validate and save after each.

    `sources` are what `state.shown` is shown; `report`, `progress` and `note` are called on the
    first rank only.

    Raises:
        Interrupted: a signal came; the run was saved.
        AugcliError: the loss became NaN or infinite, or a source failed.
    """
    budget = None
    if config.budget is not None:
        validated, seen = split_samples(sources)["validation"], seen_finally(config, sources, state)
        budget = Budget(
            config, state.clock, state.together, validated=validated or 0, finally_seen=seen,
            tell=note,
        )  # fmt: skip

    def stepped(batch: Batch, seconds: float) -> None:
        if budget is not None:
            budget.after_step(state, batch, seconds)
        if config.snapshots:
            keep_snapshot(run, state)

    def skipped(faults: Sequence[Fault]) -> None:
        add_skipped(run.skipped(state.together.world.rank), state.epoch + 1, faults)

    with _shown(run, state, report) as show:
        while _goes_on(config, state, budget):
            try:
                train_epoch(state, sources.train, stop, stepped, progress, skipped)
            except StopAsked as asked:
                _interrupt(config, run, state, stop, asked)
            except FloatingPointError as error:
                where = f"epoch {state.epoch + 1}, step {state.batch + 1} of"
                where += f" {state.batches}"
                raise _diverged(run, state, where, str(error)) from error
            began = time.perf_counter()
            validation = _validate(sources, run, state)
            row = state.close_epoch(validation, time.perf_counter() - began)
            _save(run, state)
            show(row)
            stop.count(state.together.sums(stop.votes))
            if stop.signal is not None:
                _interrupt(config, run, state, stop, None)


def _goes_on(config: TrainConfig, state: RunState, budget: Budget | None) -> bool:
    """Whether there is another epoch, and, if not, why."""
    state.ended_by = why_ended(config, state.timeline, state.epoch, state.best_epoch)
    if state.ended_by is None and budget is not None and not budget.begin_epoch(state):
        state.ended_by = BUDGET
    return state.ended_by is None


@contextmanager
def _shown(
    run: RunFolder, state: RunState, report: Callable[[Row], None] | None
) -> Iterator[Callable[[Row], None]]:
    """What to do about each new row; nothing on ranks that don't write."""
    if not state.together.is_first:
        yield lambda row: None
        return
    with closing(EventLog(run.folder, state.epoch)) as events, LiveCurves(run.curves) as curves:

        def draw() -> None:
            assert state.best_epoch is not None
            write_summary(run.summary, state.rows)
            curves.show(state.rows, state.best_epoch)

        def show(row: Row) -> None:
            events.add(row)
            draw()
            if report is not None:
                report(row)

        if state.rows:
            draw()  # a kill may have come between the checkpoint and these files
        yield show


def _validate(sources: Sources, run: RunFolder, state: RunState) -> Evaluation | None:
    if sources.validation is None:
        return None
    with torch.random.fork_rng(devices=[]):  # as in training: a source may draw from it
        evaluation = evaluate(state.judged, sources.validation, state.shown_by, state.together)
    if not math.isfinite(evaluation.loss):
        where = f"epoch {state.epoch + 1}"
        raise _diverged(run, state, where, f"the validation loss is {evaluation.loss}")
    return evaluation


def _save(run: RunFolder, state: RunState) -> None:
    """`best.pt` first: when a kill comes in between, the epoch is redone from `last.pt`."""
    if state.best_epoch == state.epoch:
        save_by_first(run.best, best_of(state), state.together)
    save_by_first(run.last, checkpoint_of(state), state.together)


def _interrupt(
    config: TrainConfig,
    run: RunFolder,
    state: RunState,
    stop: StopRequest,
    cause: Exception | None,
) -> NoReturn:
    assert stop.signal is not None
    save_by_first(run.last, checkpoint_of(state), state.together)
    state.together.wait()  # torchrun ends all ranks with the first that ends
    with state.together.one_voice():
        raise Interrupted(
            f"stopped by {signal.Signals(stop.signal).name} after {state.epoch} epochs and "
            f"{state.batch} batches; saved in {run.last}, "
            + how_to_go_on(run, config, state.together),
            stop.signal,
        ) from cause


def _diverged(run: RunFolder, state: RunState, where: str, what: str) -> AugcliError:
    error = AugcliError(
        f"{where}: {what}: try a lower --lr; the last good checkpoint is {run.last}"
        + (f", after {_saved(run)}" if state.together.is_first else "")
    )
    error.told_elsewhere = not state.together.is_first
    return error


def _saved(run: RunFolder) -> str:
    checkpoint = load_checkpoint(run.last)
    return f"{checkpoint.epoch} epochs and {checkpoint.batch} batches"


def how_to_go_on(run: RunFolder, config: TrainConfig, together: Together) -> str:
    """What to tell a user whose run ended before its time."""
    if together.is_first and not run.last.exists():
        return "then give the command again"
    again = dataclasses.replace(config, out=run.folder, resume=True)
    command = command_line("train", again, together.world)
    return f"then go on from the last checkpoint with: {command}"
