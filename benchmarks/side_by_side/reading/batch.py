"""What a reader gives: images uint8 of shape (B, size, size, 3) or (B, 3, size, size), labels (B,).

Images and labels are whatever arrays the reader has, of torch or numpy; they are only looked at
before the next batch is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class Batch(NamedTuple):
    """One batch. `keys` names the samples, or their source files, where the reader knows them."""

    images: Any
    labels: Any
    keys: Sequence[str] | None = None


# The batches of an epoch, numbered from 0.
Epochs = Callable[[int], Iterator[Batch]]


def pixels(images: Any) -> npt.NDArray[Any]:
    """The same memory as (B, height, width, 3), whatever it was."""
    array = np.asarray(images)
    if array.ndim == 4 and array.shape[1] == 3 and array.shape[3] != 3:
        return array.transpose(0, 2, 3, 1)
    return array


def layout(images: Any) -> str:
    """How a pixel's three numbers lie in memory: `HWC` side by side, `CHW` in planes."""
    strides = pixels(images).strides
    return "HWC" if strides[3] < strides[2] else "CHW"
