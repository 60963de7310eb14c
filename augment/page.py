"""The page of a preview: one HTML file with all its pictures, for clicking through.

It needs no network and allows none, shows everything without JavaScript too, and what comes from
data is only ever text: escaped here, never in a script. `page.css` and `page.js` are its looks and
its manners. The same panels give the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Sequence
from html import escape
from importlib.resources import files

import numpy as np
from PIL import Image

from augcli.augment.decode import Pixels
from augcli.augment.panels import Panel, Row, Tile

FULL_BYTES = 8_000_000  # no further panel then: browsers and mail still take it
MAX_SIDE = 320  # pixels of a picture
_JPEG_QUALITY = 90
_PIXELATED = 48  # pixels: smaller views are shown as the pixels they are

_WORD_ENDS = re.compile("(?<=[a-z])(?=[A-Z])")  # where RandomBrightnessContrast may be broken

KINDS = ("views", "transforms")

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body{pixelated}>
<header>
<h1 dir="auto">{title}</h1>
<p class="facts" dir="auto">{facts}</p>
<nav id="kinds" aria-label="What to show" hidden>
<button type="button" data-kind="views">Views</button>
<button type="button" data-kind="transforms">Transforms</button>
<span class="sizes">
<button type="button" data-zoom="-1" aria-label="smaller pictures">−</button>
<button type="button" data-zoom="1" aria-label="larger pictures">+</button>
</span>
</nav>
<nav id="classes" aria-label="Classes">
{links}
</nav>
</header>
<main>
{sections}
</main>
<footer class="keys" hidden>
<p>Point at a picture: its original. Click it: large, with what was applied.
<kbd>←</kbd> <kbd>→</kbd> class, <kbd>v</kbd> views, <kbd>t</kbd> transforms,
<kbd>+</kbd> <kbd>−</kbd> size.</p>
</footer>
<dialog id="large" aria-labelledby="large-title">
<h2 id="large-title" dir="auto" tabindex="-1" autofocus></h2>
<div class="pair">
<figure><img id="large-before" alt="original"><figcaption>original</figcaption></figure>
<figure><img id="large-after" alt=""><figcaption id="large-name"></figcaption></figure>
</div>
<p id="large-caption"></p>
<table id="large-applied"><tbody></tbody></table>
<p class="keys"><kbd>←</kbd> <kbd>→</kbd> next picture, <kbd>↑</kbd> <kbd>↓</kbd> next row,
hold <kbd>space</kbd> or press the picture: its original,
<button type="button" id="large-close">close <kbd>esc</kbd></button></p>
</dialog>
<script>{script}</script>
</body>
</html>
"""


class Page:
    """Collects panels; keeps only their HTML, so that no picture stays in memory twice.

    Attributes:
        size_bytes: of the panels so far.
    """

    def __init__(self, title: str, classes: Sequence[str]) -> None:
        self._title = title
        self._classes = classes
        self._sections: dict[int, dict[str, list[str]]] = {}
        self._smallest = MAX_SIDE
        self.size_bytes = 0

    @property
    def full(self) -> bool:
        """Whether the page has the size that it should keep to."""
        return self.size_bytes >= FULL_BYTES

    def add(self, kind: str, panel: Panel) -> None:
        """Add a panel of `kind` `views` or `transforms` to the section of its class."""
        content = _panel(kind, panel)
        section = self._sections.setdefault(panel.label, {kind: [] for kind in KINDS})
        section[kind].append(content)
        self._smallest = min(self._smallest, panel.original.shape[0])
        self.size_bytes += len(content.encode())

    def html(self, facts: str) -> str:
        """The whole page; `facts` is a line of plain text under its title."""
        labels = sorted(self._sections)
        style, script = _resource("page.css"), _resource("page.js")
        return _PAGE.format(
            policy=(
                f"default-src 'none'; img-src data:; style-src '{_hash(style)}'; "
                f"script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
            ),
            title=escape(self._title),
            facts=escape(facts),
            style=style,
            script=script,
            pixelated=' class="pixelated"' if self._smallest <= _PIXELATED else "",
            links="\n".join(
                f'<a href="#class-{label}"><bdi>{escape(self._classes[label])}</bdi></a>'
                for label in labels
            ),
            sections="\n".join(self._section(label) for label in labels),
        )

    def _section(self, label: int) -> str:
        panels = "\n".join(
            panel
            for kind in KINDS
            for panel in self._sections[label][kind] or [self._elsewhere(kind)]
        )
        heading = f"<h2><bdi>{escape(self._classes[label])}</bdi></h2>"
        return f'<section id="class-{label}">\n{heading}\n{panels}\n</section>'

    def _elsewhere(self, kind: str) -> str:
        """Where to find what only one class has."""
        for label, panels in sorted(self._sections.items()):
            if panels[kind]:
                link = f'<a href="#class-{label}"><bdi>{escape(self._classes[label])}</bdi></a>'
                return f'<p class="panel {kind}">One image shows them: {link}</p>'
        return ""


def _panel(kind: str, panel: Panel) -> str:
    original = Tile(panel.original, "original")
    rows = "\n".join(_row(row) for row in panel.rows)
    return (
        f'<article class="panel {kind}">\n<h3><bdi>{escape(panel.source)}</bdi></h3>\n'
        f'<div class="body">\n<figure class="original">{_picture(original)}'
        f"<figcaption>original</figcaption></figure>\n"
        f'<div class="rows">\n{rows}\n</div>\n</div>\n</article>'
    )


def _row(row: Row) -> str:
    note = f" <small>{escape(row.note)}</small>" if row.note else ""
    heading = f"<h4>{escape(row.label)}{note}</h4>\n" if row.label else ""
    tiles = "\n".join(_tile(tile, row.captioned) for tile in row.tiles)
    depth = f" depth-{min(row.depth, 4)}" if row.depth else ""
    return f'<div class="row{depth}">\n{heading}<div class="tiles">\n{tiles}\n</div>\n</div>'


def _tile(tile: Tile, captioned: bool) -> str:
    applied = escape(json.dumps(tile.applied, ensure_ascii=False, allow_nan=False))
    name, caption = escape(tile.name), escape(tile.caption)
    under = _WORD_ENDS.sub("<wbr>", caption) if captioned and caption else name
    return (
        f'<figure><button type="button" data-name="{name}" data-caption="{caption}" '
        f'data-applied="{applied}" title="{caption}">{_picture(tile)}</button>'
        f"<figcaption>{under}</figcaption></figure>"
    )


def _picture(tile: Tile) -> str:
    pixels = _limited(tile.pixels)
    height, width = pixels.shape[:2]
    return (
        f'<img src="{_data_uri(pixels)}" width="{width}" height="{height}" '
        f'alt="{escape(tile.name)}" decoding="async">'
    )


def _limited(pixels: Pixels) -> Pixels:
    if max(pixels.shape[:2]) <= MAX_SIDE:
        return pixels
    picture = Image.fromarray(pixels)
    picture.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def _data_uri(pixels: Pixels) -> str:
    """PNG where that is smaller (drawings, letters), else JPEG with whole colours."""
    picture = Image.fromarray(pixels)
    png, jpeg = io.BytesIO(), io.BytesIO()
    picture.save(png, "PNG")
    picture.save(jpeg, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    kind, data = min(("png", png), ("jpeg", jpeg), key=lambda item: item[1].tell())
    return f"data:image/{kind};base64,{base64.b64encode(data.getvalue()).decode()}"


def _resource(name: str) -> str:
    return files("augcli.augment").joinpath(name).read_text("utf-8").replace("\r\n", "\n")


def _hash(text: str) -> str:
    """What a content security policy knows an inline style or script by."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
