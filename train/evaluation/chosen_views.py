"""Some of others' views."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from augcli.augment.decode import Pixels
from augcli.train.views import Labelled, RowFault, Views


class ChosenViews:
    """Those of `views` with the given `numbers`, int64 (samples,), rising."""

    def __init__(self, views: Views, numbers: npt.NDArray[np.int64]) -> None:
        self._views, self._numbers = views, numbers
        keys = tuple(views.samples.keys[number] for number in numbers.tolist())
        self.samples: Labelled = Labelled(keys, views.samples.labels[numbers])
        self.rounds: int | None = views.rounds

    def read(self, indices: npt.NDArray[np.int64], epoch: int, out: Pixels) -> list[RowFault]:
        """Fill `out` with these views of theirs."""
        return self._views.read(self._numbers[indices], epoch, out)

    def expect(self, indices: npt.NDArray[np.int64], epoch: int) -> None:
        """Tell the views."""
        self._views.expect(self._numbers[indices], epoch)

    def close(self) -> None:
        """Let go of what they come from."""
        self._views.close()
