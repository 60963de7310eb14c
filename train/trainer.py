"""A training run from its config to its result, whole, interrupted or resumed."""

from __future__ import annotations

import dataclasses
import json
import math
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn

import torch

from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.settings import check_settings
from augcli.train.batch import Fault, Sources
from augcli.train.budget import Budget, Clock
from augcli.train.checkpoint import (
    Checkpoint,
    damaged,
    load_checkpoint,
    load_for_all,
    save_checkpoint,
)
from augcli.train.command import command_line
from augcli.train.config import AUTO_LR, TrainConfig
from augcli.train.ending import BUDGET, check_ending, why_ended
from augcli.train.epoch import Progress, StopAsked, train_epoch
from augcli.train.evaluate import Evaluation, evaluate
from augcli.train.faults import told
from augcli.train.finish import TrainResult, finish, result_of
from augcli.train.forward import choose_precision
from augcli.train.identity import differences, identity, plain_config, split_samples
from augcli.train.pictures import LiveCurves
from augcli.train.random_state import own_random_state
from augcli.train.rates.beginning import found_rate
from augcli.train.rates.range_test import Report
from augcli.train.record import (
    EventLog,
    Row,
    RunFolder,
    add_skipped,
    write_args,
    write_summary,
)
from augcli.train.run_folder import held
from augcli.train.saving import checkpoint_of, restore, weights_of
from augcli.train.state import RunState
from augcli.train.step import choose_device
from augcli.train.stop import Interrupted, StopRequest
from augcli.train.together import Together

__all__ = ["Interrupted", "Progress", "Row", "TrainResult", "run_training"]


def run_training(
    config: TrainConfig,
    sources: Sources,
    folder: Path,
    description: dict[str, object],
    report: Callable[[Row], None] | None = None,
    progress: Callable[[Progress], None] | None = None,
    together: Together | None = None,
    stop: StopRequest | None = None,
    note: Callable[[str], None] | None = None,
    clock: Clock | None = None,
) -> TrainResult:
    """Train as `config` says on `sources`, leave everything in `folder`, and measure the result.

    `description` says where the views came from, in values that JSON holds; it goes into
    `run.json` and must be the same on resume. `report` is called after each epoch, `progress`
    after each step; `note` hears what was made of `--weights`, `--lr auto` and `--budget`. `clock`
    counts to the latter if it began before. `sources` stay open. With `config.resume` the run in
    `folder` goes on: on a CPU, with the same number of torch threads, the result is the same to the
    last bit as without the interruption. A finished run just gives its result.

    Of several ranks, which are `together`, each calls this with its share of the sources, and
    gets the same result; only the first one reads and writes `folder`. `stop` is for a caller who
    listens to signals for longer.

    Raises:
        UsageError: a bad setting, a folder that already holds a run (without resume) or none
            (with it), or a run to resume that was another one; the differences are listed.
        Interrupted: SIGINT or SIGTERM came; the run was saved between two steps.
        OtherRankEndedError: another rank can't go on.
        AugcliError: the loss became NaN or infinite, a file of the run is damaged, or a source
            did not give each sample exactly once, a file can't be written, a loader process was
            killed, or another training is at work in `folder`.
    """
    config = check_settings(config)
    together = together or Together()
    device = choose_device(config.device, together.world)
    run = RunFolder(folder)
    with ExitStack() as stack:
        stack.enter_context(own_random_state(device))
        stop = stop or stack.enter_context(StopRequest(agreed=not together.is_alone))
        stack.enter_context(told(folder, lambda: _go_on(run, config, together)))
        found = None
        if config.lr == AUTO_LR:
            report_test = _as_epoch_0(progress)
            found = found_rate(config, sources, run, device, together, stop, report_test, note)
            config = dataclasses.replace(config, lr=found.lr)
        precision = choose_precision(config.precision, device)
        known = identity(config, sources, description, together.world.ranks, precision)
        _check_alike(known, device, together)
        with together.one_voice():
            check_ending(config, validated=sources.validation is not None)
            state = RunState(config, sources, known, device, together, clock)
        if note is not None and state.weights is not None:
            for line in state.weights.lines():
                note(line)
        if together.is_first:
            stack.enter_context(held(run, config.resume))
        if found is not None and together.is_first:
            found.write(run)
        if config.resume:
            _continue(run, state, config)
        else:
            _start(run, state, config)
        if not together.first_flag(run.record.exists()):
            _train(config, state.prepared(sources), run, state, stop, report, progress, note)
            finish(config, sources, description, run, state)
        return result_of(run, state.rows, together)


def _as_epoch_0(progress: Callable[[Progress], None] | None) -> Report | None:
    if progress is None:
        return None
    return lambda step, steps, loss: progress(Progress(0, step, steps, loss))


def _check_alike(known: dict[str, Any], device: torch.device, together: Together) -> None:
    """Hold what this rank is about to do against what the first one is."""
    here = {**known, "device": device.type}
    first = json.loads(together.first_bytes(json.dumps(here).encode()))
    rank = together.world.rank
    found = differences(first, here, "on rank 0", f"on rank {rank}")
    if found:
        raise UsageError(
            f"rank {rank} would train something else than rank 0:\n"
            + "\n".join(f"  {line}" for line in found)
        )


def _start(run: RunFolder, state: RunState, config: TrainConfig) -> None:
    # From here on the run can be resumed, even if it is killed in its first epoch.
    _write(run.last, checkpoint_of(state), state)
    if state.together.is_first:
        write_args(run.args, plain_config(config))
    if not state.together.is_alone:  # another kind of processor may draw other last bits
        state.model.load_state_dict(load_for_all(run.last, state.together).model)


def _continue(run: RunFolder, state: RunState, config: TrainConfig) -> None:
    with state.together.one_voice():
        checkpoint = load_for_all(run.last, state.together)
        found = differences(checkpoint.identity, state.identity)
        if found:
            raise UsageError(
                f"{run.folder} can't be resumed, it was another run:\n"
                + "\n".join(f"  {line}" for line in found)
                + "\nuse what it was started with, or start a new run in another --out"
            )
        try:
            restore(state, checkpoint, by_clock=config.budget is not None)
        except Exception as error:  # arbitrary content can fail in any way
            raise damaged(run.last, error) from error


def _go_on(run: RunFolder, config: TrainConfig, together: Together) -> str:
    if together.is_first and not run.last.exists():
        return "then give the command again"
    again = dataclasses.replace(config, out=run.folder, resume=True)
    command = command_line("train", again, together.world)
    return f"then go on from the last checkpoint with: {command}"


def _train(
    config: TrainConfig,
    sources: Sources,
    run: RunFolder,
    state: RunState,
    stop: StopRequest,
    report: Callable[[Row], None] | None,
    progress: Callable[[Progress], None] | None,
    note: Callable[[str], None] | None,
) -> None:
    """The epochs that are left."""
    budget = None
    if config.budget is not None:
        seen = {split: n or 0 for split, n in split_samples(sources).items()}
        budget = Budget(
            config,
            state.clock,
            state.together,
            validated=seen["validation"],
            finally_seen=seen["test"] or seen["validation"],
            tell=note,
        )

    def skipped(faults: Sequence[Fault]) -> None:
        add_skipped(run.skipped(state.together.world.rank), state.epoch + 1, faults)

    with _shown(run, state, report) as show:
        while _goes_on(config, state, budget):
            try:
                train_epoch(state, sources.train, stop, budget, progress, skipped)
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
    with EventLog(run.folder, state.epoch) as events, LiveCurves(run.curves) as curves:

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
        evaluation = evaluate(state.shown, sources.validation, state.shown_by, state.together)
    if not math.isfinite(evaluation.loss):
        where = f"epoch {state.epoch + 1}"
        raise _diverged(run, state, where, f"the validation loss is {evaluation.loss}")
    return evaluation


def _save(run: RunFolder, state: RunState) -> None:
    """`best.pt` first: when a kill comes in between, the epoch is redone from `last.pt`."""
    if state.best_epoch == state.epoch:
        _write(run.best, weights_of(state), state)
    _write(run.last, checkpoint_of(state), state)


def _write(path: Path, checkpoint: Checkpoint, state: RunState) -> None:
    if state.together.is_first:
        save_checkpoint(path, checkpoint)


def _interrupt(
    config: TrainConfig,
    run: RunFolder,
    state: RunState,
    stop: StopRequest,
    cause: Exception | None,
) -> NoReturn:
    assert stop.signal is not None
    _write(run.last, checkpoint_of(state), state)
    state.together.wait()  # torchrun ends all ranks with the first that ends
    with state.together.one_voice():
        raise Interrupted(
            f"stopped by {signal.Signals(stop.signal).name} after {state.epoch} epochs and "
            f"{state.batch} batches; saved in {run.last}, {_go_on(run, config, state.together)}",
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
