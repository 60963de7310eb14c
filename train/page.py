"""A report as one HTML file that needs nothing else: headings, text, tables and pictures."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from pathlib import Path

_STYLE = """
:root { color-scheme: light dark; --line: #8884; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto; }
th, td { padding: .3rem .8rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; background: #fff; border-radius: 4px; }
pre { overflow-x: auto; padding: .6rem .8rem; border: 1px solid var(--line); border-radius: 4px; }
@media print { body { max-width: none; margin: 0; } h2, img, table { break-inside: avoid; } }
"""


class Page:
    """Parts are added from top to bottom; all text is escaped."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._parts = [f"<h1>{html.escape(title)}</h1>"]

    def heading(self, text: str) -> None:
        """A section begins."""
        self._parts.append(f"<h2>{html.escape(text)}</h2>")

    def text(self, text: str) -> None:
        """A paragraph."""
        self._parts.append(f"<p>{html.escape(text)}</p>")

    def code(self, text: str) -> None:
        """Commands, one a line."""
        self._parts.append(f"<pre><code>{html.escape(text)}</code></pre>")

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """The first row is the head; the first column is text, the others numbers."""
        head, *body = rows
        lines = [_cells("th", head), *(_cells("td", row) for row in body)]
        self._parts.append(f"<table>{''.join(lines)}</table>")

    def picture(self, path: Path, described: str) -> None:
        """A PNG, which becomes part of the file.

        Raises:
            OSError: it can't be read.
        """
        data = base64.b64encode(path.read_bytes()).decode()
        self._parts.append(
            f'<img alt="{html.escape(described)}" src="data:image/png;base64,{data}">'
        )

    def __str__(self) -> str:
        """The whole file."""
        parts = "\n".join(self._parts)
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{html.escape(self._title)}</title><style>{_STYLE}</style></head>\n"
            f"<body>\n{parts}\n</body></html>\n"
        )


def _cells(tag: str, row: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row) + "</tr>"
