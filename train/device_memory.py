"""Views kept in the memory of the device that trains: after the first time, nothing is copied."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from augcli.train.batch import Batch
from augcli.train.feeding import batches_on
from augcli.train.loader import BatchLoader
from augcli.train.order import Indices


class KeptOnDevice:
    """A `Source` whose views come from a loader once, and then from `device`.

    Takes rounds * samples * height * width * 3 bytes there, from the first batch on.
    """

    def __init__(self, loader: BatchLoader, size: int, device: torch.device) -> None:
        assert loader.rounds is not None, "views that never come again need not be kept"
        self._loader = loader
        self._device = device
        self._shape = (loader.rounds * loader.samples, size, size, 3)
        self._there = np.zeros(self._shape[0], np.bool_)
        self._views: torch.Tensor | None = None
        self.samples: int = loader.samples
        self.batches_per_epoch: int = loader.batches_per_epoch
        self.smallest_batch: int = loader.smallest_batch
        self.rounds: int = loader.rounds

    @property
    def ids(self) -> npt.NDArray[np.uint64]:
        """A hash of each sample's key, by its number."""
        return self._loader.ids

    def batches(self, epoch: int, start: int = 0, batch_size: int | None = None) -> Iterator[Batch]:
        """The batches of `epoch`, images and labels on the device."""
        first = (epoch % self.rounds) * self.samples
        plan = self._loader.plan(epoch, batch_size)[start:]
        if self._there[first + np.concatenate([np.zeros(0, np.int64), *plan])].all():
            for number, indices in enumerate(plan, start):
                yield self._kept(indices, first, number)
            return
        for batch in batches_on(self._device, self._loader, epoch, start, batch_size):
            self._keep(batch, first)
            yield batch

    def plan(self, epoch: int, batch_size: int | None = None) -> list[Indices]:
        """The samples of each batch of `epoch`."""
        return self._loader.plan(epoch, batch_size)

    def labelled(self, indices: Indices) -> tuple[torch.Tensor, tuple[str, ...]]:
        """Labels, int64 (B,), and keys of samples by their numbers."""
        return self._loader.labelled(indices)

    def close(self) -> None:
        """Give the memory back, and close the loader."""
        self._views = None
        self._there[:] = False
        self._loader.close()

    def _keep(self, batch: Batch, first: int) -> None:
        if self._views is None:
            self._views = torch.empty(self._shape, dtype=torch.uint8, device=self._device)
        rows = first + batch.indices
        self._views[torch.from_numpy(rows).to(self._device)] = batch.images.permute(0, 2, 3, 1)
        self._there[rows] = True

    def _kept(self, indices: npt.NDArray[np.int64], first: int, number: int) -> Batch:
        assert self._views is not None
        rows = torch.from_numpy(first + indices).to(self._device)
        images = self._views.index_select(0, rows).permute(0, 3, 1, 2)
        labels, keys = self._loader.labelled(indices)
        return Batch(images, labels.to(self._device), keys, indices, number)
