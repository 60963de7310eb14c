"""Text in pictures: any text that data hold, drawn by fonts that come with the libraries.

Pillow's own font knows ASCII and little else; matplotlib brings DejaVu Sans, which knows the
alphabets of Europe, Arabic and Hebrew letters and many signs. What neither knows is written as its
code point, so that two names never look alike. Fonts of the system would differ by machine.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_NO_CHARACTER = "\uffff"
_DIRECTIONS = {"R": "R", "AL": "R", "WS": "N", "NSM": "N", "ON": "N", "CS": "N", "ES": "N"}
_PART_ENDS = re.compile("(?<=[a-z])(?=[A-Z])")  # of RandomBrightnessContrast


@lru_cache(maxsize=16)
def plain_font(points: int) -> Font:
    """Pillow's own font."""
    return ImageFont.load_default(size=points)


@lru_cache(maxsize=16)
def wide_font(points: int) -> Font:
    """DejaVu Sans. Laid out by Pillow itself: what the system's libraries add differs."""
    import matplotlib

    path = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    return ImageFont.truetype(path, points, layout_engine=ImageFont.Layout.BASIC)


def lettered(text: str, points: int) -> tuple[str, Font]:
    """`text` as it can be drawn in one line, and the font to draw it with."""
    text = " ".join(text.split())
    if text.replace("…", "").isascii() and text.isprintable():
        return text, plain_font(points)
    font = wide_font(points)
    known = "".join(char if _knows(font, char) else _code(char) for char in text)
    return _in_drawing_order(known), font


def clipped(text: str, length: int) -> str:
    """`text` in at most `length` characters, the middle left out: names differ at both ends."""
    if len(text) <= length:
        return text
    head = (length - 1) // 2
    return f"{text[:head]}…{text[head + 1 - length :]}"


def wrapped(text: str, width: float, lines: int, measure: Callable[[str], float]) -> list[str]:
    """`text` in at most `lines` lines no wider than `width`, long words broken, the rest `...`."""
    found: list[str] = []
    rest = text.strip()
    while rest and len(found) < lines:
        line = _first_line(rest, width, measure)
        rest = rest[len(line) :].lstrip()
        found.append(line.rstrip())
    if rest:
        last = found[-1]
        while last and measure(f"{last}...") > width:
            last = last[:-1]
        found[-1] = f"{last}..."
    return found


def _first_line(text: str, width: float, measure: Callable[[str], float]) -> str:
    fits = 1
    while fits < len(text) and measure(text[: fits + 1].rstrip()) <= width:
        fits += 1
    if fits == len(text):
        return text
    space = text.rfind(" ", 0, fits + 1)
    if space > 0:
        return text[: space + 1]
    parts = [end.start() for end in _PART_ENDS.finditer(text, 0, fits)]
    return text[: parts[-1]] if parts else text[:fits]


@lru_cache(maxsize=4096)
def _knows(font: Font, char: str) -> bool:
    if char.isascii():
        return char.isprintable()
    if unicodedata.category(char)[0] in "CZ":  # controls, marks of direction, exotic spaces
        return False
    return bytes(font.getmask(char)) != bytes(font.getmask(_NO_CHARACTER))


def _code(char: str) -> str:
    if unicodedata.category(char)[0] in "CZ":
        return "" if unicodedata.category(char) == "Cf" else " "
    return f"[{ord(char):X}]"


def _in_drawing_order(text: str) -> str:
    """Runs of Hebrew or Arabic letters turned round; all else goes from left to right."""
    kinds = "".join(_DIRECTIONS.get(unicodedata.bidirectional(char), "L") for char in text)
    turned = list(text)
    for run in re.finditer("R(?:[RN]*R)?", kinds):
        turned[slice(*run.span())] = reversed(text[slice(*run.span())])
    return "".join(turned)
