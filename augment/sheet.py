"""Contact sheets: rows of pictures with labels, drawn with Pillow. The same bytes always."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from augcli.augment.decode import Pixels

_BACKGROUND, _INK, _FAINT = (250, 250, 248), (32, 34, 38), (110, 114, 120)
_MARGIN, _GAP, _TITLE = 16, 6, 34
_MIN_TILE, _MAX_TILE = 72, 224
_TITLE_POINTS, _LABEL_POINTS = 18, 13


@dataclass(frozen=True)
class SheetRow:
    """One row: `label` (and a fainter `note`) before `tiles`, uint8 RGB (height, width, 3)."""

    label: str
    note: str
    tiles: Sequence[Pixels]


def draw_sheet(title: str, columns: Sequence[str], rows: Sequence[SheetRow]) -> bytes:
    """A PNG of `rows` under the headings `columns`."""
    tile = max(_MIN_TILE, min(_MAX_TILE, max(row.tiles[0].shape[0] for row in rows)))
    heading, body = _font(_TITLE_POINTS), _font(_LABEL_POINTS)
    text_width = max(int(body.getlength(text)) for row in rows for text in (row.label, row.note))
    left = _MARGIN + text_width + 2 * _GAP
    top = _MARGIN + _TITLE + _LABEL_POINTS + 2 * _GAP
    width = left + len(columns) * (tile + _GAP) + _MARGIN
    width = max(width, int(heading.getlength(title)) + 2 * _MARGIN)
    sheet = Image.new("RGB", (width, top + len(rows) * (tile + _GAP) + _MARGIN), _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN), title, fill=_INK, font=heading)
    for number, name in enumerate(columns):
        x = left + number * (tile + _GAP) + tile // 2
        draw.text((x, top - _GAP), name, fill=_FAINT, font=body, anchor="ms")
    for number, row in enumerate(rows):
        y = top + number * (tile + _GAP)
        middle = y + tile // 2
        draw.text((_MARGIN, middle - 2), row.label, fill=_INK, font=body, anchor="ls")
        draw.text((_MARGIN, middle + 4), row.note, fill=_FAINT, font=body, anchor="la")
        for column, pixels in enumerate(row.tiles):
            sheet.paste(_scaled(pixels, tile), (left + column * (tile + _GAP), y))
    buffer = io.BytesIO()
    sheet.save(buffer, format="PNG")
    return buffer.getvalue()


def _font(points: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=points)


def _scaled(pixels: Pixels, tile: int) -> Image.Image:
    picture = Image.fromarray(pixels)
    if picture.size == (tile, tile):
        return picture
    nearest = pixels.shape[0] * 2 <= tile  # small images are shown as the pixels they are
    how = Image.Resampling.NEAREST if nearest else Image.Resampling.LANCZOS
    return picture.resize((tile, tile), how)
