"""From the state of a run to a checkpoint of it, and back."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch
from torch import nn

from augcli.train.checkpoint import Checkpoint, plain_totals, save_checkpoint
from augcli.train.restoring import (
    Extent,
    channels_of,
    check_position,
    optimizer_state_of,
    plateau_of,
    rows_of,
    snapshots_of,
    timeline_of,
    totals_of,
)
from augcli.train.state import RunState
from augcli.train.together import Together


def checkpoint_of(state: RunState) -> Checkpoint:
    """All of the state, for `last.pt`; tensors are shared with it, not copied.

    Every rank must call it: it holds the random states of all.
    """
    on_cuda = state.device.type == "cuda"
    cuda_rng = torch.cuda.get_rng_state(state.device) if on_cuda else None
    return dataclasses.replace(
        weights_of(state),
        optimizer=state.optimizer.state_dict(),
        ema=state.averages.ema_state(),
        swa=state.averages.swa_state(),
        cpu_rng=state.together.stacked(torch.get_rng_state()),
        cuda_rng=None if cuda_rng is None else state.together.stacked(cuda_rng),
        scaler=state.scaler.state_dict(),
    )


def best_of(state: RunState) -> Checkpoint:
    """What was validated, for `best.pt`."""
    return with_weights(state, *state.best)


def with_weights(state: RunState, kind: str, model: nn.Module) -> Checkpoint:
    """The state with the weights of a model that belongs to it, `raw`, `ema` or `swa`."""
    return dataclasses.replace(weights_of(state), weights=kind, model=dict(model.state_dict()))


def weights_of(state: RunState) -> Checkpoint:
    """The state without what only training needs."""
    return Checkpoint(
        model_name=state.model_name,
        classes=list(state.classes),
        size=list(state.size),
        identity=state.identity,
        epoch=state.epoch,
        batch=state.batch,
        totals=plain_totals(state.totals),
        history=[dataclasses.asdict(row) for row in state.rows],
        best_epoch=state.best_epoch,
        model=dict(state.model.state_dict()),
        optimizer={},
        cpu_rng=None,
        cuda_rng=None,
        plateau=dataclasses.asdict(state.plateau),
        mean=list(state.forward.mean),
        std=list(state.forward.std),
        marks=list(state.timeline.marks),
        swa_epochs=state.averages.swa_epochs,
        snapshots=list(state.snapshots),
        spent_seconds=state.clock.spent(),
    )


def save_by_first(path: Path, checkpoint: Checkpoint, together: Together) -> None:
    """Write it, on the first rank. Raises: OSError: it can't be written."""
    if together.is_first:
        save_checkpoint(path, checkpoint)


def restore(state: RunState, checkpoint: Checkpoint, *, by_clock: bool) -> None:
    """Take over the state in `checkpoint`, whose identity was found to be the same.

    `by_clock` says that the run has a budget, so that only the checkpoint knows its marks.

    Raises:
        ValueError: it can't be what this run saved. torch raises others of its own.
    """
    timeline = timeline_of(checkpoint, state.timeline, by_clock=by_clock)
    extent = Extent(timeline, validated=state.validated)
    check_position(checkpoint, extent)
    state.timeline = timeline
    state.clock.add(checkpoint.spent_seconds)
    state.rows = rows_of(checkpoint, extent)
    state.plateau = plateau_of(checkpoint, state.rows, state.schedule)
    state.totals = totals_of(checkpoint, extent)
    take_weights(state, checkpoint)
    state.snapshots = snapshots_of(checkpoint, extent)
    state.forward = dataclasses.replace(
        state.forward, mean=channels_of("mean", checkpoint), std=channels_of("std", checkpoint)
    )
    state.take_forward()
    state.epoch, state.batch = checkpoint.epoch, checkpoint.batch
    state.steps = timeline.steps_before(state.epoch) + state.batch
    state.best_epoch = checkpoint.best_epoch
    _restore_optimizer(state, checkpoint)
    if checkpoint.cpu_rng is None:
        raise ValueError("it lacks torch's random state")
    torch.set_rng_state(_of_this_rank(checkpoint.cpu_rng, state.together))
    if checkpoint.cuda_rng is not None and state.device.type == "cuda":
        torch.cuda.set_rng_state(_of_this_rank(checkpoint.cuda_rng, state.together), state.device)


def take_weights(state: RunState, checkpoint: Checkpoint) -> None:
    """Those of the model and of its averages. torch raises what it does not like."""
    state.model.load_state_dict(checkpoint.model)
    state.averages.load(checkpoint.ema, checkpoint.swa, checkpoint.swa_epochs)


def _restore_optimizer(state: RunState, checkpoint: Checkpoint) -> None:
    """Only what it keeps for each parameter: all else follows from the config."""
    opt = state.identity["config"]["opt"]
    kept = optimizer_state_of(checkpoint, opt, state.optimizer.param_groups)
    groups = state.optimizer.state_dict()["param_groups"]
    state.optimizer.load_state_dict({"state": kept, "param_groups": groups})
    if state.batch:
        state.take_rate(state.epoch, state.batch - 1)
    elif state.epoch:
        state.take_rate(state.epoch - 1, state.timeline.batches(state.epoch - 1) - 1)
    if state.scaler.is_enabled():
        state.scaler.load_state_dict(checkpoint.scaler)


def _of_this_rank(random_states: torch.Tensor, together: Together) -> torch.Tensor:
    if together.is_alone:
        return random_states
    ranks = together.world.ranks
    if random_states.ndim != 2 or len(random_states) != ranks:
        raise ValueError(f"its random states are not those of {ranks} ranks")
    return random_states[together.world.rank].clone()
