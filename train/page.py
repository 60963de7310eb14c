"""A report as one HTML file that needs nothing else: headings, text, tables and pictures.

It allows no network, has a dark look where the reader's system has one, and prints in the light.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_STYLE = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --raised: #f4f6f8; --ink: #202226; --faint: #5e636b; --line: #d9dade;
  --accent: #0072b2; --good: #00704f; --bad: #b23c00; --alarm: #fff4e0; --alarm-line: #d9952b;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #17191c; --raised: #202328; --ink: #e8e9ec; --faint: #a3a8b0; --line: #3a3e45;
    --accent: #5db5ec; --good: #3cc49a; --bad: #f28e4a; --alarm: #2d2718; --alarm-line: #a8761f;
  }
}
* { box-sizing: border-box; }
body {
  font: 16px/1.55 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem;
  background: var(--paper); color: var(--ink); overflow-wrap: break-word;
}
h1, h2 { line-height: 1.2; }
h2 { margin-top: 2.5rem; padding-bottom: .2rem; border-bottom: 1px solid var(--line); }
p, li, dd { max-width: 48rem; }
.faint { color: var(--faint); }
.lead {
  font-size: 1.25rem; line-height: 1.4; padding: .8rem 1.1rem; max-width: none;
  background: var(--raised); border-left: 5px solid var(--accent); border-radius: 4px;
}
.alarm {
  padding: .5rem 1.1rem; background: var(--alarm); border: 1px solid var(--alarm-line);
  border-radius: 4px; margin: 1rem 0;
}
.alarm ul { margin: .3rem 0; padding-left: 1.2rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .4rem 1.1rem; }
dt { font-weight: 600; }
dd { margin: 0; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .94rem; }
th, td {
  padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: right;
  vertical-align: baseline;
}
th { font-weight: 600; line-height: 1.25; }
th, td { white-space: nowrap; }
.words { text-align: left; }
.long { white-space: normal; min-width: 10rem; }
.good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; }
figure { margin: 1rem 0; overflow-x: auto; }
img { max-width: 100%; height: auto; border-radius: 4px; }
img:not(.drawn) { background: #fff; }
.drawn { width: 52rem; }
.dark { display: none; }
@media screen and (prefers-color-scheme: dark) {
  .light { display: none; }
  .dark { display: inline; }
}
pre {
  overflow-x: auto; padding: .6rem .8rem; border: 1px solid var(--line); border-radius: 4px;
  background: var(--raised); font-size: .88rem;
}
summary { cursor: pointer; color: var(--accent); }
@media (max-width: 40rem) {
  body { margin-top: 1rem; }
  .lead { font-size: 1.1rem; }
  dl { display: block; }
  dd { margin-bottom: .6rem; }
  .drawn { max-width: none; width: 36rem; }
}
@media print {
  @page { margin: 14mm; }
  body { max-width: none; margin: 0; padding: 0; font-size: 10pt; }
  h2 { break-after: avoid; margin-top: 1.2rem; }
  figure, tr, dd, .lead, .alarm { break-inside: avoid; }
  .scroll, figure, pre { overflow: visible; }
  table { font-size: 8pt; }
  th, td { padding: .15rem .4rem; }
  pre { white-space: pre-wrap; }
  .lead, .alarm, pre { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'"
_NUMBER = re.compile(r"[-+(<–]? ?\d|$|–$|never$")
"""How a cell begins that stands to the right, with the numbers."""

LONGEST = {"th": 18, "td": 40}
"""Characters of a cell that stay on one line."""


class Page:
    """Parts are added from top to bottom; all text is escaped."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._parts = [f"<h1>{html.escape(title)}</h1>"]

    def heading(self, text: str) -> None:
        """A section begins."""
        self._parts.append(f"<h2>{html.escape(text)}</h2>")

    def text(self, text: str, faint: bool = False) -> None:
        """A paragraph; `faint` is what explains."""
        kind = ' class="faint"' if faint else ""
        self._parts.append(f"<p{kind}>{html.escape(text)}</p>")

    def lead(self, text: str) -> None:
        """The one sentence to be read if no other is."""
        self._parts.append(f'<p class="lead">{html.escape(text)}</p>')

    def facts(self, facts: Iterable[tuple[str, str]]) -> None:
        """Terms, each with what is said of it."""
        pairs = (f"<dt>{html.escape(t)}</dt><dd>{html.escape(text)}</dd>" for t, text in facts)
        self._parts.append(f"<dl>{''.join(pairs)}</dl>")

    def alarm(self, title: str, texts: Iterable[str]) -> None:
        """What not to overlook."""
        items = "".join(f"<li>{html.escape(text)}</li>" for text in texts)
        self._parts.append(
            f'<div class="alarm"><strong>{html.escape(title)}</strong><ul>{items}</ul></div>'
        )

    def code(self, text: str) -> None:
        """Commands, one a line."""
        self._parts.append(f"<pre><code>{html.escape(text)}</code></pre>")

    def table(
        self,
        rows: Sequence[Sequence[str]],
        marks: Mapping[str, str] | None = None,
        folded: str | None = None,
    ) -> None:
        """The first row is the head; columns of numbers stand to the right.

        `marks` gives cells of a text the class `good` or `bad`; `folded` hides the table behind
        that line.
        """
        head, *body = rows
        words = [
            n == 0 or not all(_NUMBER.match(row[n]) for row in body) for n, _ in enumerate(head)
        ]
        lines = [
            _cells("th", head, words, {}),
            *(_cells("td", r, words, marks or {}) for r in body),
        ]
        table = f'<div class="scroll"><table>{"".join(lines)}</table></div>'
        if folded is not None:
            table = f"<details><summary>{html.escape(folded)}</summary>{table}</details>"
        self._parts.append(table)

    def picture(self, path: Path, described: str) -> None:
        """A PNG, which becomes part of the file.

        Raises:
            OSError: it can't be read.
        """
        self.png(path.read_bytes(), described)

    def png(self, content: bytes, described: str) -> None:
        """The same of a PNG in memory."""
        self._parts.append(f'<img alt="{html.escape(described)}" src="{_uri("png", content)}">')

    def drawing(self, light: str, dark: str, described: str) -> None:
        """An SVG in two looks: the dark one where the system is, but on paper the light one."""
        images = (
            f'<img class="drawn {look}" alt="{html.escape(described)}" '
            f'src="{_uri("svg+xml", content.encode())}">'
            for look, content in (("light", light), ("dark", dark))
        )
        self._parts.append(f"<figure>{''.join(images)}</figure>")

    def __str__(self) -> str:
        """The whole file."""
        parts = "\n".join(self._parts)
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{html.escape(self._title)}</title><style>{_STYLE}</style></head>\n"
            f"<body>\n{parts}\n</body></html>\n"
        )


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _cells(tag: str, row: Sequence[str], words: Sequence[bool], marks: Mapping[str, str]) -> str:
    cells = (_cell(tag, text, kind, marks) for text, kind in zip(row, words, strict=True))
    return f"<tr>{''.join(cells)}</tr>"


def _cell(tag: str, text: str, is_words: bool, marks: Mapping[str, str]) -> str:
    kinds = ["words"] if is_words else []
    if len(text) > LONGEST[tag]:
        kinds.append("long")
    if text in marks:
        kinds.append(marks[text])
    attribute = f' class="{" ".join(kinds)}"' if kinds else ""
    return f"<{tag}{attribute}>{html.escape(text)}</{tag}>"
