"""The learning rate that `--lr auto` takes from a range test, where nobody looks at its picture."""

from __future__ import annotations

from dataclasses import dataclass

from augcli.train.config import TrainConfig
from augcli.train.optimizers import optimiser_of, resolve_lr
from augcli.train.rates.config import RULE_NAMES
from augcli.train.rates.range_test import RangeTest

DEFAULT = "default"


@dataclass(frozen=True)
class Picked:
    """A learning rate, in two digits; `rule` is `default` for the optimiser's own."""

    rule: str
    lr: float
    why: str
    """For people."""


def picked(test: RangeTest, config: TrainConfig) -> Picked:
    """What the rules say, unless that may be chance: then the optimiser's default.

    Of weights that have learnt already, the loss hardly falls in a test, and the steepest place may
    be anywhere: at a millionth of a useful rate as well.

    Raises:
        AugcliError: no rule finds a rate.
    """
    rule, lr = test.pick(RULE_NAMES[0])
    if test.falls_after(lr):
        return Picked(rule, lr, f"by the rule {rule}")
    return Picked(
        DEFAULT,
        resolve_lr(optimiser_of(config), None),
        f"the optimiser's default: after {lr:g}, by the rule {rule}, the loss falls no further "
        "than it varies from batch to batch",
    )
