"""Contact sheets: every tile in its place, the same bytes always, whatever the labels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from augcli.augment.decode import Pixels
from augcli.augment.sheet import SheetRow, draw_sheet

COLORS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 0, 255), (0, 255, 255), (255, 255, 0)]


def tile(color: tuple[int, int, int], size: int = 96) -> Pixels:
    return np.full((size, size, 3), color, np.uint8)


def drawn(*arguments: object) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(draw_sheet(*arguments))))  # type: ignore[arg-type]


def where(sheet: Pixels, color: tuple[int, int, int]) -> tuple[slice, slice]:
    rows, columns = np.nonzero((sheet == color).all(axis=2))
    return slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)


@pytest.mark.parametrize(("size", "shown"), [(8, 72), (72, 72), (96, 96), (224, 224), (500, 224)])
def test_tiles_stand_in_rows_and_columns(size: int, shown: int) -> None:
    rows = [
        SheetRow("first", "note", [tile(color, size) for color in COLORS[:3]]),
        SheetRow("second", "", [tile(color, size) for color in COLORS[3:]]),
    ]
    sheet = drawn("Title", ["a", "b", "c"], rows)
    places = [where(sheet, color) for color in COLORS]
    for color, (down, across) in zip(COLORS, places, strict=True):
        assert (down.stop - down.start, across.stop - across.start) == (shown, shown)
        assert (sheet[down, across] == color).all()
    assert places[0][0] == places[1][0] == places[2][0]
    assert [place[1] for place in places[:3]] == [place[1] for place in places[3:]]
    assert places[0][1].stop < places[1][1].start < places[2][1].start
    assert places[0][0].stop < places[3][0].start


def test_small_images_are_shown_as_their_pixels() -> None:
    checks = (np.indices((12, 12)).sum(axis=0) % 2 * 255).astype(np.uint8)
    sheet = drawn("", [""], [SheetRow("", "", [np.repeat(checks[:, :, None], 3, axis=2)])])
    values = np.unique(sheet[60:, 40:].reshape(-1, 3), axis=0)
    assert {tuple(value) for value in values} <= {(0, 0, 0), (255, 255, 255), (250, 250, 248)}


def test_same_bytes() -> None:
    rows = [SheetRow("label", "note", [tile(color) for color in COLORS])]
    assert draw_sheet("t", list("abcdef"), rows) == draw_sheet("t", list("abcdef"), rows)


@pytest.mark.parametrize("label", ["", "кошка", "猫", "a" * 200, "x\ny", "\u200f", "😀"])
def test_any_label(label: str) -> None:
    sheet = drawn(label, [label], [SheetRow(label, label, [tile(COLORS[0])])])
    down, across = where(sheet, COLORS[0])
    assert (down.stop - down.start, across.stop - across.start) == (96, 96)


def test_labels_show_and_widen_the_sheet() -> None:
    narrow, wide, titled = (
        drawn(title, ["a"], [SheetRow(label, "", [tile(COLORS[0])])])
        for title, label in (("t", "a"), ("t", "a long label " * 4), ("a long title " * 10, "a"))
    )
    assert narrow.shape[1] < wide.shape[1] < titled.shape[1]
    left = wide[:, : where(wide, COLORS[0])[1].start]
    assert (left.reshape(-1, 3).max(axis=1) < 60).any()  # ink


def test_captions_stand_under_their_tiles() -> None:
    rows = [
        SheetRow("first", "", [tile(COLORS[0]), tile(COLORS[1])], ["", "rotate -12.3"]),
        SheetRow("second", "", [tile(COLORS[2]), tile(COLORS[3])], depth=1),
    ]
    sheet = drawn("", ["", ""], rows)
    places = [where(sheet, color) for color in COLORS[:4]]
    below = sheet[places[0][0].stop : places[2][0].start]
    ink = [below[:, across].min() < 150 for _, across in places[:2]]
    assert ink == [False, True]
    labels = [sheet[down, : places[0][1].start] for down, _ in places[1:3]]
    starts = [np.nonzero((label < 100).any(axis=(0, 2)))[0][0] for label in labels]
    assert starts[1] > starts[0] + 5


def test_input_is_not_changed() -> None:
    pixels = tile(COLORS[0], 300)
    draw_sheet("t", ["a"], [SheetRow("a", "", [pixels])])
    assert (pixels == COLORS[0]).all()
