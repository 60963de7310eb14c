"""What a preview shows of one image, for sheets and pages alike: rows of pictures with words.

Pictures are uint8 RGB (size, size, 3).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from augcli.augment.captions import captions
from augcli.augment.decode import Pixels
from augcli.augment.frame import Frame
from augcli.augment.views import ViewMaker
from augcli.manifests.sample_list import Sample

UNCHANGED = "no change"


@dataclass(frozen=True)
class Tile:
    """A picture: `name` is its column's, `caption` says what was drawn, `applied` says all."""

    pixels: Pixels
    name: str
    caption: str = ""
    applied: Sequence[Any] = field(default=())


@dataclass(frozen=True)
class Row:
    """Pictures of one kind: a policy's, or a transform's that `depth` compositions hold.

    `captioned`: the captions stand under the pictures, not only where one looks closer.
    """

    label: str
    note: str
    tiles: Sequence[Tile]
    depth: int = 0
    captioned: bool = True


@dataclass(frozen=True)
class Panel:
    """One image of the class `label` and what becomes of it, row by row."""

    label: int
    source: str
    original: Pixels
    rows: Sequence[Row]


def view_tiles(maker: ViewMaker, fitted: Frame, sample: Sample, copies: int) -> tuple[Tile, ...]:
    """Copies 1 to `copies` of a sample, exactly as an expansion makes them."""
    return tuple(_view_tile(maker, fitted, sample, copy) for copy in range(1, copies + 1))


def views_of(maker: ViewMaker, sample: Sample, fitted: Frame, copies: int) -> list[Pixels]:
    """The original and copies 1 to `copies` of a sample."""
    return [fitted.rgb, *(tile.pixels for tile in view_tiles(maker, fitted, sample, copies))]


def headings(copies: int) -> list[str]:
    """What stands above the columns of `views_of`."""
    return ["original", *(f"copy {number}" for number in range(1, copies + 1))]


def _view_tile(maker: ViewMaker, fitted: Frame, sample: Sample, copy: int) -> Tile:
    view = maker.named_view(fitted, sample, copy)
    pixels, applied = view.pixels, json.loads(view.applied)
    told = captions(applied, pixels.shape[0])
    if np.array_equal(pixels, fitted.rgb):
        told = f"{told} ({UNCHANGED})".removeprefix(" ")
    return Tile(pixels, f"copy {copy}", told, tuple(applied))
