"""Cached activations: what a frozen backbone makes of each stored view, computed once.

fast.ai's `precompute=True` computed them for the plain images only, and so lost augmentation; here
every stored round has its own.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch

from augcli.manifests.errors import AugcliError, UsageError
from augcli.train.batch import Batch, Source, Sources
from augcli.train.config import AUTO, NONE, TrainConfig
from augcli.train.feeding import batches_on
from augcli.train.heads import Backbone
from augcli.train.layer_groups import LayerGroup
from augcli.train.memory import allowed_bytes, allowed_on_gpu
from augcli.train.order import Indices
from augcli.train.sizes import ONE_SIZE


@runtime_checkable
class Planned(Source, Protocol):
    """A source that can say which samples make a batch, without making it."""

    def plan(self, epoch: int, batch_size: int | None = None) -> list[Indices]:
        """The samples of each batch of `epoch`, of `batch_size` or of the source's own."""
        ...

    def labelled(self, indices: Indices) -> tuple[torch.Tensor, tuple[str, ...]]:
        """Labels, int64 (B,), and keys of samples by their numbers."""
        ...


class Activations:
    """A `Source` whose batches hold, in the place of images, float32 features of their views.

    The first time a round comes, its views are shown to `backbone`; from then on features come
    from memory, rounds * samples * features * 4 bytes on the device.
    """

    def __init__(self, source: Source, backbone: Backbone, device: torch.device, allowed: int):
        """`allowed` are the bytes that features may take.

        Raises:
            ValueError: the source's views never come again.
        """
        if source.rounds is None or not isinstance(source, Planned):
            raise ValueError("activations can only be kept of views that come again")
        self._source: Planned = source
        self._backbone, self._device, self._allowed = backbone, device, allowed
        self.rounds: int = source.rounds
        self.samples: int = source.samples
        self.batches_per_epoch: int = source.batches_per_epoch
        self.smallest_batch: int = source.smallest_batch
        self._there = np.zeros(self.rounds * self.samples, np.bool_)
        self._features: torch.Tensor | None = None

    @property
    def ids(self) -> npt.NDArray[np.uint64]:
        """A hash of each sample's key, by its number."""
        return self._source.ids

    @property
    def made_on(self) -> torch.device:
        """The backbone ends in the head's own layers, so no other thread may run it meanwhile."""
        return self._device

    def batches(self, epoch: int, start: int = 0, batch_size: int | None = None) -> Iterator[Batch]:
        """The batches of `epoch` in order, from batch number `start` on, on the device.

        Raises:
            AugcliError: a view can't be had, or all features are more than is allowed.
        """
        first = (epoch % self.rounds) * self.samples
        plan = self._source.plan(epoch, batch_size)[start:]
        if self._there[first + np.concatenate([np.zeros(0, np.int64), *plan])].all():
            for number, indices in enumerate(plan, start):
                yield self._kept(indices, first, number)
            return
        for batch in batches_on(self._device, self._source, epoch, start, batch_size):
            features = self._backbone(batch.images)
            self._keep(features, first + batch.indices)
            yield dataclasses.replace(batch, images=features)

    def close(self) -> None:
        """Let go of the features, and of the source. Idempotent."""
        self._features = None
        self._there[:] = False
        self._source.close()

    def _keep(self, features: torch.Tensor, rows: npt.NDArray[np.int64]) -> None:
        if self._features is None:
            shape = (len(self._there), *features.shape[1:])
            size = math.prod(shape) * 4
            if size > self._allowed:
                raise AugcliError(
                    f"--precompute: the activations of {self.rounds} rounds take "
                    f"{size / 1e6:,.0f} MB, --memory allows {self._allowed / 1e6:,.0f}: give more, "
                    "or train without --precompute"
                )
            self._features = torch.empty(shape, device=self._device)
        self._features[torch.from_numpy(rows).to(self._device)] = features
        self._there[rows] = True

    def _kept(self, indices: Indices, first: int, number: int) -> Batch:
        assert self._features is not None
        rows = torch.from_numpy(first + indices).to(self._device)
        labels, keys = self._source.labelled(indices)
        return Batch(self._features[rows], labels.to(self._device), keys, indices, number)


def check_precompute(
    config: TrainConfig, train: Source, groups: Sequence[LayerGroup], ranks: int
) -> None:
    """Raises: UsageError: options that activations computed once can't go with."""
    if config.freeze_to not in (-1, len(groups) - 1):
        raise UsageError(
            "--precompute: activations of layers that learn are out of date after one step: freeze "
            "all but the head with --freeze-to -1"
        )
    if train.rounds is None:
        raise UsageError(
            "--precompute: views made on the fly never come again: use --source shards"
        )
    if config.residual not in (None, AUTO, NONE):
        raise UsageError("--precompute: --residual makes other views in each epoch: leave out one")
    if config.sizes not in ONE_SIZE:
        raise UsageError("--precompute: --sizes makes other views in each stage: leave out one")
    if ranks > 1:
        raise UsageError("--precompute: training a head needs no several processes: use one")


def precomputed(sources: Sources, backbone: Backbone, memory: str) -> Sources:
    """Training and validation views as activations, of which `--memory` allows some; test views
    stay images.
    """
    device = backbone.device
    on_gpu = device.type == "cuda"
    allowed = allowed_on_gpu(memory, device) if on_gpu else allowed_bytes(memory)
    train = Activations(sources.train, backbone, device, allowed)
    validation = sources.validation
    if validation is not None:
        validation = Activations(validation, backbone, device, allowed)
    return dataclasses.replace(sources, train=train, validation=validation)
