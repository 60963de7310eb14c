"""Views made of the plain ones, for measuring only: epoch `v` shows variant `v` of each image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from augcli.augment.decode import Pixels
from augcli.train.kept_views import KeptViews
from augcli.train.memory import Keeping, allowed_bytes
from augcli.train.views import Labelled, RowFault, Views

Alter = Callable[[Pixels, str, int], Pixels]
"""(uint8 RGB (side, side, 3), the sample's key, variant) -> the same shape. Safe for threads."""


def unaltered(pixels: Pixels, key: str, variant: int) -> Pixels:
    """The plain view."""
    return pixels


def kept(views: Views, size: int) -> Views:
    """`views`, decoded once and kept in memory if they fit into a quarter of what is free."""
    shape = (len(views.samples), size, size, 3)
    memory = Keeping(allowed_bytes("auto")).take(shape)
    return views if memory is None else KeptViews(views, *memory)


class Variants:
    """`views` (of one round), each altered in `count` ways."""

    def __init__(self, views: Views, alter: Alter, count: int) -> None:
        self._views, self._alter = views, alter
        self.samples: Labelled = views.samples
        self.rounds: int | None = count

    def read(self, indices: npt.NDArray[np.int64], epoch: int, out: Pixels) -> list[RowFault]:
        """Fill `out` with variant `epoch` of each."""
        faults = self._views.read(indices, 0, out)
        missing = {place for place, _ in faults}
        for place, sample in enumerate(indices.tolist()):
            if place not in missing:
                out[place] = self._alter(out[place], self.samples.keys[sample], epoch)
        return faults

    def expect(self, indices: npt.NDArray[np.int64], epoch: int) -> None:
        """Tell the plain views."""
        self._views.expect(indices, 0)

    def close(self) -> None:
        """Nothing: the plain views are others'."""
