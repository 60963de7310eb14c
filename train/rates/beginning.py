"""The range test of a training that is yet to begin, and `--lr auto`, which begins with one."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import torch

from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.files import write_atomic
from augcli.train.alteration import Alteration
from augcli.train.batch import Sources
from augcli.train.checkpoint import load_for_all
from augcli.train.config import AUTO_LR, TrainConfig
from augcli.train.learner import build_learner
from augcli.train.optimizers import optimiser_of, resolve_lr
from augcli.train.random_state import own_random_state, seed_draws
from augcli.train.rates.picking import Picked, picked
from augcli.train.rates.picture import draw_range_test
from augcli.train.rates.range_test import RangeTest, Report, Sweep, find_lr, training_batches
from augcli.train.record import RunFolder
from augcli.train.sizes import ONE_SIZE, last_size
from augcli.train.stop import StopRequest
from augcli.train.together import Together

Note = Callable[[str], None]


@dataclass(frozen=True)
class FoundRate:
    """The learning rate of a run with `--lr auto`."""

    lr: float
    test: RangeTest | None
    """What it was read off; None when the run that goes on has it already."""

    def write(self, run: RunFolder) -> None:
        """`lr_find.json` and `lr_find.png`."""
        if self.test is not None:
            content = {"chosen": self.lr, **self.test.to_json()}
            write_atomic(run.lr_find, json.dumps(content, indent=1, allow_nan=False) + "\n")
            draw_range_test(run.lr_find_picture, self.test)


def range_test_of(
    config: TrainConfig,
    sources: Sources,
    device: torch.device,
    sweep: Sweep | None = None,
    *,
    together: Together | None = None,
    stop: StopRequest | None = None,
    report: Report | None = None,
    note: Note | None = None,
) -> RangeTest:
    """The range test of the training that would begin as `config` says, its seed included.

    `note` hears what was made of `--weights`.

    Raises:
        UsageError: an option that doesn't suit the model, or a peak of 0.
        Interrupted, OtherRankEndedError, AugcliError: as `find_lr`.
    """
    together = together or Together()
    with own_random_state(device):
        with together.one_voice():
            lr = _tested_lr(config)
            size = _tested_size(config, sources)
            learner = build_learner(
                config,
                sources.classes,
                sources.size if size is None else (size, size),
                device,
                sources.train.smallest_batch,
            )
        if note is not None and learner.weights is not None:
            for line in learner.weights.lines():
                note(line)
        seed_draws(config.seed, device)
        alteration = Alteration(config, sources)
        with closing(training_batches(sources.train, alteration, device, size=size)) as shown:
            return find_lr(
                learner.model,
                learner.optimizer,
                lr,
                shown,
                dataclasses.replace(learner.forward, size=size),
                learner.rules,
                sweep,
                together=together,
                stop=stop,
                report=report,
            )


def _tested_lr(config: TrainConfig) -> float:
    lr = resolve_lr(optimiser_of(config), config.lr, config.lrs)
    if not lr:
        raise UsageError("--lrs: the head's rate, the last, is 0: a range test needs one above 0")
    return lr


def _tested_size(config: TrainConfig, sources: Sources) -> int | None:
    """The pixels that images are shown at: those that the run ends with; None: all that they have.

    For those is the run's network built.
    """
    return None if config.sizes in ONE_SIZE else last_size(config, sources.size[0])


def found_rate(
    config: TrainConfig,
    sources: Sources,
    run: RunFolder,
    device: torch.device,
    together: Together,
    stop: StopRequest,
    report: Report | None = None,
    note: Note | None = None,
) -> FoundRate:
    """What `--lr auto` means: of a run that goes on, the rate that it has.

    `report` is called after each step of the test; `note` hears what is done, and what came of it.

    Raises:
        UsageError: `--lrs` is given too, or the run was started otherwise.
        Interrupted, OtherRankEndedError, AugcliError: as `find_lr`, or nothing was found.
    """
    with together.one_voice():
        _check_alone(config)
    if config.resume:
        return FoundRate(_rate_of(run, together), None)
    sweep = Sweep()
    tell = note or (lambda line: None)
    tell(f"--lr auto: a range test of {sweep.steps} steps on a copy of the model …")
    open_config = dataclasses.replace(config, lr=None)
    test = range_test_of(
        open_config, sources, device, sweep, together=together, stop=stop, report=report
    )
    with together.one_voice():
        found = _picked(test, open_config)
    tell(f"--lr auto: {found.lr:g}, {found.why}: look at {run.lr_find_picture}")
    return FoundRate(found.lr, test)


def _check_alone(config: TrainConfig) -> None:
    if config.lrs is not None:
        raise UsageError(
            "--lr auto and --lrs: --lrs says the rates itself: take --lr-mult, or scale them as "
            "augcli lr-find with the same --lrs recommends"
        )


def _picked(test: RangeTest, config: TrainConfig) -> Picked:
    try:
        return picked(test, config)
    except AugcliError as error:
        raise AugcliError(
            f"--lr {AUTO_LR}: {error}; give a number, after a look at the picture of augcli lr-find"
        ) from error


def _rate_of(run: RunFolder, together: Together) -> float:
    with together.one_voice():
        begun_with = load_for_all(run.last, together).identity.get("config")
        lr = begun_with.get("lr") if isinstance(begun_with, dict) else None
        if not isinstance(lr, float):
            raise UsageError(
                f"--lr {AUTO_LR}: {run.folder} was started without it: resume it without --lr"
            )
        return lr
