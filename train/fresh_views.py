"""Views made when asked for, by the function that made the stored ones."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from augcli.augment.decode import Pixels
from augcli.augment.views import Recipe, ViewMaker, ViewMakers
from augcli.manifests.errors import AugcliError
from augcli.manifests.rounds import copies_of_round
from augcli.train.frames import FolderFrames, Frames, SourceFile
from augcli.train.views import Labelled, RowFault


def in_order(files: Sequence[SourceFile]) -> list[SourceFile]:
    """Reference images as both sources number them: by key, and by turn within a key."""
    return sorted(files, key=lambda file: (file.key, file.turn))


class FreshViews:
    """Views made when asked for: epoch `e` draws the copy of round `e`, or fits only."""

    def __init__(
        self,
        files: Sequence[SourceFile],
        recipe: Recipe,
        *,
        augmented: bool,
        originals: bool,
        frames: Frames | None = None,
    ) -> None:
        """`frames` number the images as `in_order(files)` does; by default, the files' own."""
        self._files = in_order(files)
        self._augmented = augmented
        self._originals = originals
        self._frames: Frames = FolderFrames(self._files) if frames is None else frames
        self._makers = ViewMakers(recipe)
        labels = np.array([file.label for file in self._files], np.int64)
        self.samples = Labelled(tuple(file.key for file in self._files), labels)
        self.rounds = None if augmented else 1

    def read(self, indices: npt.NDArray[np.int64], epoch: int, out: Pixels) -> list[RowFault]:
        """Fill `out` with views made from the fitted images."""
        maker = self._makers.own()
        faults = []
        for place, sample in enumerate(indices.tolist()):
            try:
                self._make(maker, sample, epoch, out[place])
            except AugcliError as error:
                faults.append((place, str(error)))
        return faults

    def expect(self, indices: npt.NDArray[np.int64], epoch: int) -> None:
        """Nothing to prepare."""

    def close(self) -> None:
        """Let go of what the images come from."""
        self._frames.close()

    def _make(self, maker: ViewMaker, sample: int, epoch: int, out: Pixels) -> None:
        file = self._files[sample]
        fitted = self._frames.frame(sample, maker)
        copy = 0
        if self._augmented:
            copy = copies_of_round(epoch, file.repeats, self._originals)[file.turn]
        try:
            view = maker.view(fitted, file.key, copy, file.label)
        except (AugcliError, MemoryError):
            raise
        except Exception as error:  # a third party's transform that can't take this image
            raise AugcliError(
                f"the view of {file.key} in epoch {epoch + 1} can't be made: "
                f"{type(error).__name__}: {error}; change the policy, or take the image out"
            ) from error
        cv2.cvtColor(view.rgbx, cv2.COLOR_RGBA2RGB, dst=out)
