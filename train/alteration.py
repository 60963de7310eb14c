"""What training does to its batches: the residual policy, for where in the run a batch is."""

from __future__ import annotations

from functools import partial

import torch

from augcli.train.batch import Batch, Sources
from augcli.train.config import NONE, TrainConfig
from augcli.train.residual import Mixed, Residual
from augcli.train.residual_spec import parse_residual
from augcli.train.settling import settled
from augcli.train.step import Alter


class Alteration:
    """`--residual` for the training views of `sources`; without it batches stay as they are."""

    def __init__(self, config: TrainConfig, sources: Sources) -> None:
        """Raises: UsageError: the images are too small for the shift that is asked for."""
        self._residual: Residual | None = None
        residual = settled(config, sources).residual
        if residual is not None and residual != NONE:
            spec = parse_residual(residual)
            spec.shift_limits(*sources.size)  # before the first batch says so
            self._ids = sources.train.ids
            self._residual = Residual(spec, seed=config.seed, rounds=sources.train.rounds)

    def of(self, batch: Batch, epoch: int, number: int, size: int | None = None) -> Alter:
        """What to do to `batch`, which is batch `number` of `epoch`, both from 0.

        `size`: the pixels that the model will be shown, if they are others than the batch's, so
        that what resamples anyway does so only once.
        """
        return partial(self._altered, batch, epoch, number, size)

    def _altered(
        self,
        batch: Batch,
        epoch: int,
        number: int,
        size: int | None,
        images: torch.Tensor,
        labels: torch.Tensor,
    ) -> Mixed:
        if self._residual is None:
            return Mixed(images, labels)
        shown = None if size is None else (size, size)
        ids = self._ids[batch.indices]
        return self._residual(images, labels, ids, epoch=epoch, number=number, size=shown)
