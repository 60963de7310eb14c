"""The one batch contract: where training views come from is not the trainer's business.

`images` are uint8 RGB, shape (B, 3, H, W) in channels_last memory, 0..255, never normalised by
workers; `labels` are int64, shape (B,), indices into `classes`; `keys` name the samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from augcli.train.seen import Seen


@dataclass(frozen=True)
class Fault:
    """A view that could not be had: the sample's key, and the reason in full."""

    key: str
    reason: str


@dataclass(frozen=True)
class Batch:
    """One batch of views; `images` (B, 3, H, W) uint8 channels_last, `labels` (B,) int64.

    Valid for as long as it is held, or any tensor made of it that shares its memory: the source
    uses that memory again only afterwards. So hold no more batches than are needed, and let go of
    one before asking for the next where speed matters.

    Attributes:
        indices: int64 (B,), the samples' numbers in the source's own order.
        faults: the views that are missing from this batch, under `--on-error skip`.
        number: which batch of its epoch this is, from 0.
    """

    images: torch.Tensor
    labels: torch.Tensor
    keys: tuple[str, ...]
    indices: npt.NDArray[np.int64]
    number: int = 0
    faults: tuple[Fault, ...] = ()

    def __len__(self) -> int:
        return len(self.keys)


class Source(Protocol):
    """Views of one split, by epoch. Every sample comes exactly once per epoch.

    Its position is (epoch, number of the next batch): `batches(epoch, start)` goes on from any.
    Epochs may have batches of different sizes; what the source is made with is its own batch size.
    """

    @property
    def samples(self) -> int:
        """Samples per epoch, over all ranks."""
        ...

    @property
    def batches_per_epoch(self) -> int:
        """Batches of its own size per epoch, the same on every rank."""
        ...

    @property
    def smallest_batch(self) -> int:
        """Samples in the smallest batch of such an epoch, on any rank."""
        ...

    @property
    def ids(self) -> npt.NDArray[np.uint64]:
        """A hash of each sample's key, by its number: what fresh draws per sample start from."""
        ...

    @property
    def rounds(self) -> int | None:
        """Rounds of different views before they come again; None when each epoch's are new."""
        ...

    def batches(self, epoch: int, start: int = 0, batch_size: int | None = None) -> Iterator[Batch]:
        """The batches of `epoch` in order, from batch number `start` on, of `batch_size` views over
        all ranks, or its own.

        The same (source, epoch, batch size) gives the same batches always, whatever the number of
        workers; the order of the views is the same with another batch size.

        Raises:
            AugcliError: a view can't be had; the message names file or shard, key and offset.
        """
        ...

    def close(self) -> None:
        """Stop workers and close files. Idempotent."""
        ...


@dataclass(frozen=True)
class Sources:
    """The splits of one reference dataset; `validation` and `test` views are fit only.

    `size` is the (height, width) of every view in pixels; `policies` are those that training views
    are augmented by, in serialised form: the dataset's, and those of single classes. `seen` lists
    the images of training and validation, where no expanded dataset has them on record.
    """

    classes: tuple[str, ...]
    size: tuple[int, int]
    train: Source
    validation: Source | None
    test: Source | None
    policies: tuple[Mapping[str, Any], ...] = ()
    seen: Callable[[], Seen] | None = None

    def close(self) -> None:
        """Close every split's source."""
        for source in (self.train, self.validation, self.test):
            if source is not None:
                source.close()
