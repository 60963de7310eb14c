"""Contact sheets: rows of pictures with labels, drawn with Pillow. The same bytes always."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image, ImageDraw

from augcli.augment.decode import Pixels
from augcli.augment.lettering import clipped, lettered, plain_font, wrapped

_BACKGROUND, _INK, _FAINT = (250, 250, 248), (32, 34, 38), (110, 114, 120)
_COMPRESSION = 1  # zlib level: photographs hardly shrink further, and time triples
_MARGIN, _GAP, _TITLE = 16, 6, 34
_MIN_TILE, _MAX_TILE = 72, 224
_TITLE_POINTS, _LABEL_POINTS, _CAPTION_POINTS = 18, 13, 11
_INDENT = 12
_MAX_LABEL, _MAX_TITLE = 60, 160  # characters
_CAPTION_WIDTH, _CAPTION_LINES, _CAPTION_LEADING = 118, 4, 13


@dataclass(frozen=True)
class SheetRow:
    """One row: `label` (and a fainter `note`) before `tiles`, uint8 RGB (height, width, 3).

    `captions` stand under the tiles, in ASCII; `depth` indents the label.
    """

    label: str
    note: str
    tiles: Sequence[Pixels]
    captions: Sequence[str] = field(default=())
    depth: int = 0


def draw_sheet(
    title: str, columns: Sequence[str], rows: Sequence[SheetRow], max_tile: int = _MAX_TILE
) -> bytes:
    """A PNG of `rows` under the headings `columns`; no picture is wider than `max_tile` pixels."""
    tile = max(_MIN_TILE, min(max_tile, max(row.tiles[0].shape[0] for row in rows)))
    under = [[_caption_lines(caption, tile) for caption in row.captions] for row in rows]
    pitch = _pitch(tile, captioned=any(under)) + _GAP
    heights = [tile + _GAP + _caption_height(captions) for captions in under]
    left = _MARGIN + max(_label_width(row) for row in rows) + 2 * _GAP
    top = _MARGIN + _TITLE + _LABEL_POINTS + 2 * _GAP
    title = clipped(title, _MAX_TITLE)
    width = left + len(columns) * pitch + _MARGIN
    width = max(width, _width(title, _TITLE_POINTS) + 2 * _MARGIN)
    sheet = Image.new("RGB", (width, top + sum(heights) + _MARGIN), _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    _write(draw, (_MARGIN, _MARGIN), title, _INK, _TITLE_POINTS)
    for number, name in enumerate(columns):
        x = left + number * pitch + tile // 2
        _write(draw, (x, top - _GAP), name, _FAINT, _LABEL_POINTS, "ms")
    y = top
    for row, captions, height in zip(rows, under, heights, strict=True):
        x = _MARGIN + row.depth * _INDENT
        label, note = clipped(row.label, _MAX_LABEL), clipped(row.note, _MAX_LABEL)
        _write(draw, (x, y + tile // 2 - 2), label, _INK, _LABEL_POINTS, "ls")
        _write(draw, (x, y + tile // 2 + 4), note, _FAINT, _LABEL_POINTS)
        for column, pixels in enumerate(row.tiles):
            sheet.paste(_scaled(pixels, tile), (left + column * pitch, y))
        for column, lines in enumerate(captions):
            for line, text in enumerate(lines):
                place = (left + column * pitch, y + tile + 3 + line * _CAPTION_LEADING)
                _write(draw, place, text, _FAINT, _CAPTION_POINTS)
        y += height
    buffer = io.BytesIO()
    sheet.save(buffer, format="PNG", compress_level=_COMPRESSION)
    return buffer.getvalue()


def _write(
    draw: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    color: tuple[int, int, int],
    points: int,
    anchor: str = "la",
) -> None:
    text, font = lettered(text, points)
    draw.text(place, text, fill=color, font=font, anchor=anchor)


def _width(text: str, points: int) -> int:
    text, font = lettered(text, points)
    return int(font.getlength(text))


def _label_width(row: SheetRow) -> int:
    texts = (clipped(row.label, _MAX_LABEL), clipped(row.note, _MAX_LABEL))
    return row.depth * _INDENT + max(_width(text, _LABEL_POINTS) for text in texts)


def _pitch(tile: int, captioned: bool) -> int:
    """The width of a column: captions need some, whatever the size of the pictures."""
    return max(tile, _CAPTION_WIDTH) if captioned else tile


def _caption_lines(caption: str, tile: int) -> list[str]:
    measure = plain_font(_CAPTION_POINTS).getlength
    return wrapped(caption, _pitch(tile, captioned=True), _CAPTION_LINES, measure)


def _caption_height(captions: Sequence[Sequence[str]]) -> int:
    lines = max(map(len, captions), default=0)
    return lines * _CAPTION_LEADING + _GAP if lines else 0


def _scaled(pixels: Pixels, tile: int) -> Image.Image:
    picture = Image.fromarray(pixels)
    if picture.size == (tile, tile):
        return picture
    nearest = pixels.shape[0] * 2 <= tile  # small images are shown as the pixels they are
    how = Image.Resampling.NEAREST if nearest else Image.Resampling.LANCZOS
    return picture.resize((tile, tile), how)
