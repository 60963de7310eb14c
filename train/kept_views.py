"""Decoded views kept in memory: after the first time, reading one is copying it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from augcli.augment.decode import Pixels
from augcli.train.batch_memory import Block
from augcli.train.views import Labelled, RowFault, Views


class KeptViews:
    """Others' views of all their rounds, each read from them once.

    `pixels` are uint8 RGB (rounds * samples, size, size, 3), `there` uint8 (rounds * samples,),
    zeros at first.
    """

    def __init__(self, views: Views, pixels: Block, there: Block) -> None:
        assert views.rounds is not None, "views that never come again need not be kept"
        self._views, self._pixels, self._there = views, pixels, there
        self.samples: Labelled = views.samples
        self.rounds: int = views.rounds

    def read(self, indices: npt.NDArray[np.int64], epoch: int, out: Pixels) -> list[RowFault]:
        """Fill `out` from memory, and that first from the views where they are not there yet."""
        rows = (epoch % self.rounds) * len(self.samples) + indices
        missing = np.flatnonzero(self._there.pixels[rows] == 0)
        if not len(missing):
            np.take(self._pixels.pixels, rows, axis=0, out=out, mode="clip")
            return []
        return self._read_missing(indices, epoch, missing, rows, out)

    def expect(self, indices: npt.NDArray[np.int64], epoch: int) -> None:
        """Tell the views of those that are not there yet."""
        rows = (epoch % self.rounds) * len(self.samples) + indices
        self._views.expect(indices[self._there.pixels[rows] == 0], epoch)

    def close(self) -> None:
        """Let go of what they come from."""
        self._views.close()

    def _read_missing(
        self,
        indices: npt.NDArray[np.int64],
        epoch: int,
        missing: npt.NDArray[np.int64],
        rows: npt.NDArray[np.int64],
        out: Pixels,
    ) -> list[RowFault]:
        if len(missing) == len(rows):
            faults = self._views.read(indices, epoch, out)
        else:
            np.take(self._pixels.pixels, rows, axis=0, out=out, mode="clip")
            read = np.empty((len(missing), *out.shape[1:]), np.uint8)
            found = self._views.read(indices[missing], epoch, read)
            out[missing] = read
            faults = [(int(missing[place]), reason) for place, reason in found]
        had = np.setdiff1d(missing, [place for place, _ in faults])
        self._pixels.pixels[rows[had]] = out[had]
        self._there.pixels[rows[had]] = 1
        return faults
