"""`augcli lr-find`: the range test of a training, its picture, and the command to train with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.reference import Failure
from augcli.manifests.settings import check_settings
from augcli.train.command import command_line
from augcli.train.config import TrainConfig
from augcli.train.group_rates import parse_lrs
from augcli.train.models import check_model_name
from augcli.train.rates.beginning import range_test_of
from augcli.train.rates.config import LrFindConfig
from augcli.train.rates.picture import draw_range_test
from augcli.train.rates.range_test import RangeTest, Report, Sweep
from augcli.train.settling import check_residual, settled
from augcli.train.sources import open_sources, tell
from augcli.train.step import choose_device
from augcli.train.world import world_of_environment


@dataclass(frozen=True)
class LrFindResult:
    """A range test, and what to do next."""

    test: RangeTest
    rule: str | None
    """The rule whose rate is recommended: the one asked for, or else the first that has one."""
    lr: float | None
    """Its learning rate, in two digits; None where no rule finds one."""
    command: str | None
    """The training to begin with it."""
    plot: Path

    def to_json(self) -> dict[str, Any]:
        """The object of `--json`."""
        return {
            "rule": self.rule,
            "lr": self.lr,
            "command": self.command,
            "plot": str(self.plot),
            **self.test.to_json(),
        }


def lr_find(
    config: LrFindConfig,
    report: Report | None = None,
    left_out: Callable[[tuple[Failure, ...]], None] | None = None,
    note: Callable[[str], None] | None = None,
) -> LrFindResult:
    """Test learning rates for the training that the options describe, and draw `config.plot`.

    `report` is called after each step; `left_out` hears of inputs that can't be used, and `note` of
    what was chosen that a user may want to know.

    Raises:
        UsageError: bad options, or several ranks.
        AugcliError: no dataset there, an unusable view, or a picture that can't be written.
    """
    config = check_settings(config)
    if world_of_environment().ranks > 1:
        raise UsageError(
            "augcli lr-find is one process: start it without torchrun; its --batch-size is that of "
            "all ranks together, as in training"
        )
    sweep = Sweep(config.start_lr, config.end_lr, config.steps, config.sweep)
    training = _training(config)
    check_model_name(training.model)
    device = choose_device(training.device)
    with _told(config.plot):
        config.plot.parent.mkdir(parents=True, exist_ok=True)
    opened = open_sources(training, device)
    with closing(opened.sources):
        tell(opened, left_out, note)
        asked = settled(training, opened.sources)
        test = range_test_of(asked, opened.sources, device, sweep, report=report, note=note)
    with _told(config.plot):
        draw_range_test(config.plot, test)
    return _result(test, config, training)


def _training(config: LrFindConfig) -> TrainConfig:
    """The training that is tested, its learning rate left open."""
    of_training = {field.name for field in dataclasses.fields(TrainConfig)}
    own = {name: value for name, value in vars(config).items() if name in of_training}
    training = TrainConfig(**own)
    check_residual(training.residual)
    return training


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise AugcliError(f"{path}: can't be written: {error.strerror or error}") from error


def _result(test: RangeTest, config: LrFindConfig, training: TrainConfig) -> LrFindResult:
    if all(said.rate is None for said in test.suggestions.values()):
        return LrFindResult(test, None, None, None, config.plot)
    rule, lr = test.pick(config.rule)
    if training.lrs is None:
        chosen = dataclasses.replace(training, lr=lr)
    else:
        rates = parse_lrs(training.lrs)
        scaled = ",".join(f"{rate / rates[-1] * lr:.3g}" for rate in rates)
        chosen = dataclasses.replace(training, lrs=scaled)
    return LrFindResult(test, rule, lr, command_line("train", chosen), config.plot)
