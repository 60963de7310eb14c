"""The views as Pillow decodes them: what every reader must give, each exactly once per epoch.

A view is known by the means of a grid of 4 x 4 cells in each colour: 48 numbers that decoders
agree on to a level or two, and that no other view has.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from side_by_side.reading.batch import pixels
from side_by_side.reading.views import stored_views
from side_by_side.reading.work import ReadWork

GRID = 4
FILE = "reference.npz"


@dataclass(frozen=True)
class Reference:
    """`keys`, `sources` and `labels` of n views; `cells` (n, 48) float64; `spots` (n, 12) uint8."""

    keys: tuple[str, ...]
    sources: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    cells: npt.NDArray[np.float64]
    spots: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.keys)


def cells_of(images: Any) -> npt.NDArray[np.float64]:
    """Means of the cells of uint8 images (B, height, width, 3): (B, 48)."""
    array = pixels(images)
    count, height, width, _ = array.shape
    high, wide = height // GRID, width // GRID
    whole = array[:, : high * GRID, : wide * GRID]
    cells = whole.reshape(count, GRID, high, GRID, wide, 3).mean(axis=(2, 4), dtype=np.float64)
    return cells.reshape(count, -1)


def spots_of(images: Any) -> npt.NDArray[Any]:
    """Four pixels of each image, (B, 12): little enough to look at while the clock runs."""
    array = pixels(images)
    step_down, step_right = array.shape[1] // 2, array.shape[2] // 2
    spots = array[:, step_down // 2 :: step_down, step_right // 2 :: step_right][:, :2, :2]
    return spots.reshape(len(array), -1)


def make_reference(work: ReadWork) -> Reference:
    """Decode all JPEG views by Pillow, and write the file that `read_reference` reads."""
    keys, sources, labels, cells, spots = [], [], [], [], []
    for view in stored_views(work, "jpeg"):
        keys.append(view.key)
        sources.append(view.source)
        labels.append(view.label)
        image = np.asarray(Image.open(view.file()).convert("RGB"))[None]
        cells.append(cells_of(image)[0])
        spots.append(spots_of(image)[0])
    np.savez(
        Path(work.folder, FILE),
        keys=np.array(keys),
        sources=np.array(sources),
        labels=np.array(labels, np.int64),
        cells=np.array(cells),
        spots=np.array(spots),
    )
    return read_reference(work)


def read_reference(work: ReadWork) -> Reference:
    """The reference that `make_reference` wrote."""
    with np.load(Path(work.folder, FILE)) as file:
        keys, sources = (tuple(file[name].tolist()) for name in ("keys", "sources"))
        return Reference(keys, sources, file["labels"], file["cells"], file["spots"])
