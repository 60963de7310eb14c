"""A training run from its config to its result, whole, interrupted or resumed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from augcli.manifests.errors import Interrupted, UsageError
from augcli.manifests.settings import check_settings
from augcli.train.batch import Sources
from augcli.train.budget import Clock
from augcli.train.checkpoint import damaged, load_for_all
from augcli.train.config import AUTO_LR, TrainConfig
from augcli.train.ending import check_ending
from augcli.train.epoch import Progress
from augcli.train.epochs import how_to_go_on, train_epochs
from augcli.train.faults import told
from augcli.train.finish import TrainResult, finish, result_of
from augcli.train.forward import choose_precision
from augcli.train.identity import differences, identity, plain_config
from augcli.train.random_state import own_random_state
from augcli.train.rates.beginning import found_rate
from augcli.train.rates.range_test import Report
from augcli.train.record import Row, RunFolder, write_args
from augcli.train.run_folder import held
from augcli.train.saving import checkpoint_of, restore, save_by_first, take_weights
from augcli.train.seen import write_seen
from augcli.train.settling import settled
from augcli.train.state import RunState
from augcli.train.step import choose_device
from augcli.train.stop import StopRequest
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
    config = settled(check_settings(config), sources)
    together = together or Together()
    device = choose_device(config.device, together.world)
    run = RunFolder(folder)
    with ExitStack() as stack:
        stack.enter_context(own_random_state(device))
        stop = stop or stack.enter_context(StopRequest(agreed=not together.is_alone))
        stack.enter_context(told(folder, lambda: how_to_go_on(run, config, together)))
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
        if together.is_first and sources.seen is not None:
            write_seen(run.seen, sources.seen())
        if not together.first_flag(run.record.exists()):
            train_epochs(config, state.prepared(sources), run, state, stop, report, progress, note)
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
    save_by_first(run.last, checkpoint_of(state), state.together)
    if state.together.is_first:
        write_args(run.args, plain_config(config))
    if not state.together.is_alone:  # another kind of processor may draw other last bits
        take_weights(state, load_for_all(run.last, state.together))


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
        if state.together.is_first and not run.args.exists():  # killed just before it was written
            write_args(run.args, plain_config(dataclasses.replace(config, resume=False)))
