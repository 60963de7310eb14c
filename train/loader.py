"""Batches from views: each sample once per epoch, in an order that (seed, epoch) decide.

A batch is a function of its number, so workers and restarts change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader, Dataset

from augcli.augment.engines import default_workers
from augcli.manifests.errors import AugcliError
from augcli.manifests.hashing import view_seed
from augcli.train.batch import Batch
from augcli.train.views import Labelled, Views

MAX_DEFAULT_WORKERS = 8


def loader_workers(device: str) -> int:
    """Loader processes by default: beside a CPU trainer half the cores, else all but one."""
    cores = default_workers()
    wanted = cores // 2 if device == "cpu" else cores - 1
    return max(1, min(MAX_DEFAULT_WORKERS, wanted))


def epoch_order(samples: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """The permutation of `samples` that `epoch` uses, int64."""
    bits = np.random.Philox(key=view_seed(seed, "epoch order", epoch))
    return np.random.Generator(bits).permutation(samples).astype(np.int64)


def is_lost_worker(error: Exception) -> bool:
    """Whether torch tells that a loader process was killed, as the system does without memory.

    It may tell so in any line of the main thread, from a signal handler.
    """
    return isinstance(error, RuntimeError) and str(error).startswith("DataLoader worker")


@dataclass(frozen=True)
class _BatchRequest:
    """What a loader process needs to know to make one batch."""

    epoch: int
    indices: npt.NDArray[np.int64]


class _Batches(Dataset[Any]):
    """Makes whole batches on request: (images uint8 (B, size, size, 3), None) or (None, fault)."""

    def __init__(self, views: Views, samples: Labelled, size: int) -> None:
        self._views = views
        self._keys = samples.keys
        self._size = size

    def __getitem__(self, request: _BatchRequest) -> tuple[torch.Tensor | None, str | None]:
        images = torch.empty((len(request.indices), self._size, self._size, 3), dtype=torch.uint8)
        pixels = images.numpy()
        for row, sample in enumerate(request.indices):
            try:
                pixels[row] = self._views.read(int(sample), request.epoch)
            except AugcliError as error:  # as a value: torch would wrap it in a traceback
                return None, str(error)
            except Exception as error:  # a transform can raise anything
                if is_lost_worker(error):  # of another loader: it comes in whatever line runs
                    raise
                return None, self._failed(int(sample), request.epoch, error)
        return images, None

    def _failed(self, sample: int, epoch: int, error: Exception) -> str:
        what = f"{type(error).__name__}: {error}"
        return (
            f"the view of {self._keys[sample]} in epoch {epoch + 1} can't be made: {what}; change "
            "the policy, or take the image out"
        )


class BatchLoader:
    """A `Source`: batches of views, loaded by `workers` processes or by the caller itself."""

    def __init__(
        self,
        views: Views,
        samples: Labelled,
        *,
        size: int,
        batch_size: int,
        seed: int,
        shuffled: bool,
        workers: int,
        pinned: bool = False,
    ) -> None:
        self._samples = samples
        self._batch_size = batch_size
        self._seed = seed
        self._shuffled = shuffled
        self._requests: list[_BatchRequest] = []
        self._batches = _Batches(views, samples, size)
        self._workers = workers
        self._pinned = pinned
        self._loader: DataLoader[Any] | None = None

    @property
    def samples(self) -> int:
        """Samples per epoch."""
        return len(self._samples)

    @property
    def batches_per_epoch(self) -> int:
        """Batches per epoch; only the last may be smaller than the batch size."""
        return math.ceil(len(self._samples) / self._batch_size)

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of `epoch` in order, from batch number `start` on.

        Raises:
            AugcliError: a view can't be read.
        """
        self._requests[:] = self._plan(epoch)[start:]
        requests = list(self._requests)
        loaded = iter(self._open()) if self._workers else map(self._batches.__getitem__, requests)
        for request, (images, fault) in zip(requests, loaded, strict=True):
            if fault is not None:
                raise AugcliError(fault)
            yield self._batch(request, images)

    def close(self) -> None:
        """Stop the loader processes. Idempotent."""
        iterator = getattr(self._loader, "_iterator", None)
        if iterator is not None:
            iterator._shutdown_workers()
        self._loader = None

    def _plan(self, epoch: int) -> list[_BatchRequest]:
        count = len(self._samples)
        order = epoch_order(count, self._seed, epoch) if self._shuffled else np.arange(count)
        return [
            _BatchRequest(epoch, order[first : first + self._batch_size])
            for first in range(0, count, self._batch_size)
        ]

    def _open(self) -> DataLoader[Any]:
        if self._loader is None:
            self._loader = DataLoader(
                self._batches,
                batch_size=None,
                sampler=self._requests,
                num_workers=self._workers,
                persistent_workers=True,
                prefetch_factor=4,
                pin_memory=self._pinned,
                worker_init_fn=_prepare_worker,
                generator=torch.Generator(),  # else it draws from the trainer's
            )
        return self._loader

    def _batch(self, request: _BatchRequest, images: torch.Tensor) -> Batch:
        return Batch(
            images=images.permute(0, 3, 1, 2),  # NCHW in the memory of NHWC: channels_last
            labels=torch.from_numpy(self._samples.labels[request.indices]),
            keys=tuple(self._samples.keys[index] for index in request.indices),
        )


def _prepare_worker(worker: int) -> None:
    """One thread per process, and Ctrl-C is the trainer's to handle."""
    import signal

    import cv2

    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
