"""What a run's options stand for where they are left to it, once its data are known."""

from __future__ import annotations

import dataclasses

from augcli.train.batch import Sources
from augcli.train.config import AUTO, NONE, TrainConfig
from augcli.train.optimizers import optimiser_of
from augcli.train.residual_choice import residual_for
from augcli.train.residual_spec import parse_residual
from augcli.train.sizes import auto_sizes

FEWEST_EPOCHS = 20
"""From scratch, fresh transforms pay in runs of more epochs and cost accuracy in those of fewer:
measured, see docs/residual.md."""


def settled(config: TrainConfig, sources: Sources) -> TrainConfig:
    """`config` for a run on `sources`, with nothing left to choose but the learning rate.

    `residual` and `sizes` are then `none` where there is none, and the former is in its canonical
    form.

    Raises:
        UsageError: a bad `--residual`.
    """
    return dataclasses.replace(
        config,
        opt=optimiser_of(config),
        residual=_residual(config, sources),
        sizes=settled_sizes(config, sources.size[0]),
    )


def settled_sizes(config: TrainConfig, size: int) -> str:
    """`--sizes` for images of `size` pixels; `none`: that size alone."""
    sizes = auto_sizes(config, size) if config.sizes == AUTO else config.sizes
    return sizes or NONE


def check_residual(text: str | None) -> None:
    """Raises: UsageError: neither a residual policy nor one of the words for a choice."""
    if text not in (None, AUTO, NONE):
        parse_residual(text)


def _residual(config: TrainConfig, sources: Sources) -> str:
    residual = config.residual
    if residual == AUTO:
        is_short = config.budget is None and config.epochs < FEWEST_EPOCHS
        is_short &= config.weights is None  # else epochs went before
        # Activations are of views that come again.
        is_none = is_short or config.precompute
        residual = None if is_none else residual_for(sources.policies)
    return NONE if residual in (None, NONE) else str(parse_residual(residual))
