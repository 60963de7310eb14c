"""Views at another size than they come in: that which a run ended at, or drew its views at."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from augcli.augment.decode import Pixels
from augcli.train.forward import resized
from augcli.train.views import Labelled, RowFault, Views


def at_size(views: Views, stored_size: int, size: int) -> Views:
    """`views` of `stored_size` pixels at `size`."""
    return views if stored_size == size else ShrunkViews(views, stored_size)


class ShrunkViews:
    """Others' views, resized as training resized them before it validated.

    But for rounding to whole pixel values, in which pictures and corruptions want them.
    """

    def __init__(self, views: Views, stored_size: int) -> None:
        """`stored_size` is how many pixels `views` are high and wide."""
        self._views, self._stored_size = views, stored_size
        self.samples: Labelled = views.samples
        self.rounds: int | None = views.rounds

    def read(self, indices: npt.NDArray[np.int64], epoch: int, out: Pixels) -> list[RowFault]:
        """Fill `out`, uint8 (len(indices), size, size, 3), with smaller views."""
        shape = (len(indices), self._stored_size, self._stored_size, 3)
        stored = np.empty(shape, np.uint8)
        faults = self._views.read(indices, epoch, stored)
        images = resized(torch.from_numpy(stored).permute(0, 3, 1, 2), out.shape[1])
        out[:] = images.round().clamp(0, 255).permute(0, 2, 3, 1).numpy()
        return faults

    def expect(self, indices: npt.NDArray[np.int64], epoch: int) -> None:
        """Tell the views."""
        self._views.expect(indices, epoch)

    def close(self) -> None:
        """Let go of what they come from."""
        self._views.close()
