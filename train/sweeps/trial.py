"""One training of a sweep: an ordinary run in a folder of its own, and what came of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augcli.manifests.errors import AugcliError, Interrupted
from augcli.train.config import TrainConfig
from augcli.train.record import Row, RunFolder, read_record, read_summary
from augcli.train.run import train
from augcli.train.sweeps.domains import Values
from augcli.train.sweeps.space import label_of

FINISHED, PRUNED, DIVERGED, FAILED = "finished", "pruned", "diverged", "failed"
STATES = (FINISHED, PRUNED, DIVERGED, FAILED)
DIVERGENCE_ADVICE = "try a lower --lr"
"""What the trainer says when, and only when, a loss became NaN or infinite."""

Report = Callable[[Row], bool]
"""Hears of each epoch, and says whether the training should go on."""


@dataclass(frozen=True)
class Trial:
    """A combination of the space with one seed."""

    values: Values
    """The options that vary."""
    config: TrainConfig
    """The whole training, `out` being its folder."""

    @property
    def seed(self) -> int:
        """The seed of the training."""
        return self.config.seed

    @property
    def folder(self) -> Path:
        """Where the run is."""
        assert self.config.out is not None
        return self.config.out

    @property
    def label(self) -> str:
        """`lr 0.001, sched cosine, seed 0`."""
        return label_of({**self.values, "seed": self.seed})


@dataclass(frozen=True)
class Measured:
    """What a finished run measured: accuracies 0..1, and of how many images."""

    best_epoch: int
    val_accuracy: float
    val_loss: float
    val_images: int
    test_accuracy: float | None
    seconds: float
    """Of training, without evaluation."""


@dataclass(frozen=True)
class Outcome:
    """How a training ended."""

    state: str
    message: str = ""
    """Why, unless it is finished."""
    rows: tuple[Row, ...] = ()
    """The epochs that it had."""
    measured: Measured | None = None
    """Of a finished run."""


def run_trial(config: TrainConfig, report: Report) -> Outcome:
    """Train, or go on, in the folder `config.out`; what goes wrong is an outcome.

    `report` hears of the epochs of an earlier start too.

    Raises:
        Interrupted: SIGINT or SIGTERM came; the run was saved.
    """
    assert config.out is not None
    run = RunFolder(config.out)

    def hear(row: Row) -> None:
        if not report(row):
            raise _Pruned

    try:
        for row in rows_so_far(run):
            hear(row)
        train(dataclasses.replace(config, resume=run.last.exists()), report=hear)
    except _Pruned:
        return Outcome(PRUNED, rows=rows_so_far(run))
    except Interrupted:
        raise
    except AugcliError as error:
        state = DIVERGED if DIVERGENCE_ADVICE in str(error) else FAILED
        return Outcome(state, str(error), rows_so_far(run))
    return read_finished(run)


class _Pruned(Exception):  # noqa: N818 - a decision, not a failure
    """The training is not worth going on with."""


def read_finished(run: RunFolder) -> Outcome:
    """The outcome of a run that is finished, from its files.

    Raises:
        AugcliError: a file is missing or damaged.
    """
    record, rows = read_record(run.record), read_summary(run.summary)
    try:
        return Outcome(FINISHED, rows=tuple(rows), measured=_measured(record))
    except (KeyError, TypeError, ValueError) as error:
        raise AugcliError(f"{run.record}: a field is missing or wrong: {error!r}") from error


def _measured(record: dict[str, Any]) -> Measured:
    validation, test = record["validation"], record["test"]
    return Measured(
        best_epoch=int(record["best_epoch"]),
        val_accuracy=float(validation["accuracy"]),
        val_loss=float(validation["loss"]),
        val_images=int(validation["n"]),
        test_accuracy=None if test is None else float(test["accuracy"]),
        seconds=float(record["seconds"]),
    )


def rows_so_far(run: RunFolder) -> tuple[Row, ...]:
    """The epochs so far of a run that may not have had any."""
    return tuple(read_summary(run.summary)) if run.summary.exists() else ()
