"""The residual policy: cheap fresh transforms of whole batches, on top of stored views.

`Residual` comes between a batch on its device and normalisation, `mixed_loss` after the model.
Its draws are functions of (seed, sample id, epoch) or (seed, epoch, batch number) and nothing
else (see `residual_draws`), so there is no state to save and no generator of torch's is touched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from augcli.train.residual_affine import Size, affine_matrices, warp
from augcli.train.residual_draws import (
    Ids,
    draw_affine,
    draw_colours,
    draw_erased,
    draw_flips,
    draw_mixing,
    draw_shifts,
)
from augcli.train.residual_pixels import blend, erase_, move, paste_, recolour
from augcli.train.residual_spec import ResidualSpec


@dataclass(frozen=True)
class Mixed:
    """A batch after the residual policy; all tensors are on the batch's device.

    `images` (B, 3, H, W) in channels_last memory: uint8, or float32 where images were blended,
    0..255 in either case. `labels` (B,) int64, as given.
    """

    images: torch.Tensor
    labels: torch.Tensor
    partners: torch.Tensor | None = None
    """(B,) int64: the labels of the images mixed in; None when nothing is mixed."""
    weights: torch.Tensor | None = None
    """(B,) float32: the share of `labels`, `partners` having the rest; None with `partners`."""

    @property
    def main_labels(self) -> torch.Tensor:
        """(B,) int64: of each image, the label with the larger share."""
        if self.partners is None or self.weights is None:
            return self.labels
        return torch.where(self.weights >= 0.5, self.labels, self.partners)

    def parts(self, count: int) -> list[Mixed]:
        """The batch in `count` parts as large as each other, or one larger; in its order."""
        if count == 1:
            return [self]
        columns = [
            [None] * count if tensor is None else torch.tensor_split(tensor, count)
            for tensor in (self.images, self.labels, self.partners, self.weights)
        ]
        return [Mixed(*part) for part in zip(*columns, strict=True)]


class Residual:
    """The transforms of `spec`, to be called on every training batch."""

    def __init__(self, spec: ResidualSpec, *, seed: int, rounds: int | None) -> None:
        """`rounds`: the stored rounds that epochs go through; None: views are fresh each epoch."""
        self._spec = spec
        self._seed = seed
        self._rounds = rounds

    def __call__(
        self,
        images: torch.Tensor,
        labels: torch.Tensor,
        ids: Ids,
        *,
        epoch: int,
        number: int,
        size: Size | None = None,
    ) -> Mixed:
        """Batch `number` of `epoch`, both from 0, transformed.

        `size`: what the model will get, in which `affine` resamples at once; without `affine`, and
        by default, the size stays as given.

        `images` uint8 (B, 3, H, W) in channels_last memory, on any device, are not changed, but
        they are returned themselves when no draw touches them; `labels` int64 (B,) are on the
        same device. `ids` uint64 (B,) are hashes of the samples' keys: rows that share one share
        their draws.

        Raises:
            UsageError: the images are too small for the shift that was asked for.
        """
        assert images.dtype == torch.uint8 and ids.dtype == np.uint64
        assert len(images) == len(labels) == len(ids)
        moved = self._moved(images, ids, epoch, size or _size(images))
        coloured = self._coloured(moved, ids, epoch)
        erased = self._erased(coloured, images, ids, epoch)
        mixing = draw_mixing(self._spec, self._seed, epoch, number, _size(erased))
        if mixing is None:
            return Mixed(erased, labels)
        if mixing.box is None:
            mixed = blend(erased, mixing.share)
        else:
            mixed = paste_(_own(erased, images), mixing.box)
        weights = torch.full(labels.shape, mixing.share, dtype=torch.float32, device=labels.device)
        return Mixed(mixed, labels, labels.roll(1), weights)

    def _moved(self, images: torch.Tensor, ids: Ids, epoch: int, size: Size) -> torch.Tensor:
        """Flip, shift and affine."""
        flips = np.zeros(len(ids), np.bool_)
        if self._spec.flip:
            flips = draw_flips(self._seed, ids, epoch, self._rounds)
        limits = self._spec.shift_limits(*_size(images))
        down, right = draw_shifts(self._seed, ids, epoch, *limits)
        if self._spec.affine_strength is None:
            return move(images, flips, down, right)
        drawn = draw_affine(self._seed, ids, epoch, self._spec.affine_strength)
        return warp(images, affine_matrices(drawn, flips, down, right, _size(images), size), size)

    def _coloured(self, moved: torch.Tensor, ids: Ids, epoch: int) -> torch.Tensor:
        if self._spec.colour_strength is None:
            return moved
        return recolour(moved, draw_colours(self._seed, ids, epoch, self._spec.colour_strength))

    def _erased(
        self, coloured: torch.Tensor, images: torch.Tensor, ids: Ids, epoch: int
    ) -> torch.Tensor:
        if self._spec.erase_probability is None:
            return coloured
        probability = self._spec.erase_probability
        boxes = draw_erased(self._seed, ids, epoch, probability, _size(coloured))
        return erase_(_own(coloured, images), boxes) if boxes else coloured


def _size(images: torch.Tensor) -> Size:
    return images.shape[2], images.shape[3]


def _own(pixels: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
    """`pixels`, which may be changed in place: a copy where they are still the caller's."""
    return pixels.clone(memory_format=torch.channels_last) if pixels is given else pixels


def mixed_loss(logits: torch.Tensor, mixed: Mixed, label_smoothing: float) -> torch.Tensor:
    """weight * CE(labels) + (1 - weight) * CE(partners), the mean over the batch.

    It is plain cross-entropy where nothing was mixed; `logits` are float (B, classes).
    """
    if mixed.partners is None or mixed.weights is None:
        return functional.cross_entropy(logits, mixed.labels, label_smoothing=label_smoothing)
    own, other = (
        functional.cross_entropy(logits, labels, reduction="none", label_smoothing=label_smoothing)
        for labels in (mixed.labels, mixed.partners)
    )
    return (mixed.weights * own + (1 - mixed.weights) * other).mean()
