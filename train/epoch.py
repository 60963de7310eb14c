"""One pass over the training source, in steps, with the wait for data measured apart."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from augcli.manifests.errors import AugcliError
from augcli.train.batch import Batch, Fault, Source
from augcli.train.feeding import batches_on
from augcli.train.state import RunState
from augcli.train.step import StepOutcome
from augcli.train.stop import StopRequest


@dataclass(frozen=True)
class Progress:
    """Where training stands after one step."""

    epoch: int
    """The running epoch, from 1; 0 in the range test of `--lr auto`."""
    batch: int
    """Steps done in it."""
    batches: int
    """Steps of this epoch."""
    loss: float
    """Mean cross-entropy of the step's batch, in nats."""
    images: int = 0
    """Of that batch, over all ranks."""
    size: int = 0
    """Pixels that they were high and wide."""
    lr: float = 0.0
    """Learning rate of the first parameter group."""
    done: float = 0.0
    """The part of the whole run's work, or of its time, that is done, 0..1."""


class StopAsked(Exception):  # noqa: N818 - a request, not a failure
    """The user wants to stop; the state is whole and may be saved."""


def train_epoch(
    state: RunState,
    source: Source,
    stop: StopRequest,
    stepped: Callable[[Batch, float], None] | None = None,
    progress: Callable[[Progress], None] | None = None,
    skipped: Callable[[Sequence[Fault]], None] | None = None,
) -> None:
    """Take the steps of the running epoch that are left.

    After each step `stepped` gets its batch and the seconds it took, `progress` hears of it, and
    `skipped` of the views that its batch lacks on this rank.

    Raises:
        StopAsked: a signal came; `state` is exactly after some step.
        FloatingPointError: the loss is NaN or infinite.
        AugcliError: the source gave more or fewer samples than it has.
    """
    state.model.train()
    for batch, wait_seconds in _timed(_remaining(state, source), stop):
        started = time.perf_counter()
        outcome = state.step(batch, stop)
        seconds = wait_seconds + time.perf_counter() - started
        state.add_time(seconds, wait_seconds)
        if stepped is not None:
            stepped(batch, seconds)
        if skipped is not None and batch.faults:
            skipped(batch.faults)
        if progress is not None:
            progress(_progress(state, outcome))
        if stop.signal is not None:
            raise StopAsked
    totals = state.totals
    if totals.samples + totals.skipped != source.samples:
        raise AugcliError(
            f"epoch {state.epoch + 1}: the training source gave {totals.samples} samples and left "
            f"{totals.skipped} out where it has {source.samples}"
        )
    if not totals.samples:
        raise AugcliError(f"epoch {state.epoch + 1}: not one view can be read; run augcli verify")


def _progress(state: RunState, outcome: StepOutcome) -> Progress:
    return Progress(
        epoch=state.epoch + 1,
        batch=state.batch,
        batches=state.batches,
        loss=outcome.loss,
        images=outcome.samples,
        size=state.stage.size,
        lr=state.lr,
        done=state.done,
    )


def _remaining(state: RunState, source: Source) -> Iterator[Batch]:
    if state.batch >= state.batches:
        return iter(())
    return batches_on(state.device, source, state.epoch, state.batch, state.stage.batch_size)


def _timed(batches: Iterator[Batch], stop: StopRequest) -> Iterator[tuple[Batch, float]]:
    """Each batch, and the seconds that passed before the source had it ready."""
    while True:
        started = time.perf_counter()
        try:
            # A source may draw from the global random state; what layers like dropout draw must
            # not depend on that.
            with torch.random.fork_rng(devices=[]):
                batch = next(batches, None)
        except Exception as error:
            # Ctrl-C in a terminal reaches loader processes too: one that dies of it is no failure.
            if stop.signal is not None:
                raise StopAsked from error
            raise
        if batch is None:
            return
        yield batch, time.perf_counter() - started
