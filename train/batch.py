"""The one batch contract: where training views come from is not the trainer's business.

`images` are uint8 RGB, shape (B, 3, H, W) in channels_last memory, 0..255, never normalised by
workers; `labels` are int64, shape (B,), indices into `classes`; `keys` name the samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch


@dataclass(frozen=True)
class Batch:
    """One batch of views; `images` (B, 3, H, W) uint8 channels_last, `labels` (B,) int64."""

    images: torch.Tensor
    labels: torch.Tensor
    keys: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.keys)


class Source(Protocol):
    """Views of one split, by epoch. Every sample comes exactly once per epoch."""

    @property
    def samples(self) -> int:
        """Samples per epoch."""
        ...

    @property
    def batches_per_epoch(self) -> int:
        """Batches per epoch; only the last may be smaller than the batch size."""
        ...

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of `epoch` in order, from batch number `start` on.

        The same (source, epoch) gives the same batches always, whatever the number of workers.
        """
        ...

    def close(self) -> None:
        """Stop workers and close files. Idempotent."""
        ...


@dataclass(frozen=True)
class Sources:
    """The splits of one reference dataset; `validation` and `test` views are fit only.

    `size` is the (height, width) of every view in pixels.
    """

    classes: tuple[str, ...]
    size: tuple[int, int]
    train: Source
    validation: Source | None
    test: Source | None

    def close(self) -> None:
        """Close every split's source."""
        for source in (self.train, self.validation, self.test):
            if source is not None:
                source.close()
