"""A report as a list of parts, written once and rendered as HTML and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from augcli.train.comparisons.differences import BETTER, WORSE
from augcli.train.comparisons.drawing import DARK, LIGHT, Drawing, svg
from augcli.train.page import Page

Table = list[list[str]]

MARKS = {BETTER: "good", WORSE: "bad", "keep": "good", "drop": "bad"}
"""Cells that stand out."""


@dataclass(frozen=True)
class Heading:
    """A section begins."""

    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph; `faint` explains."""

    text: str
    faint: bool = False


@dataclass(frozen=True)
class Lead:
    """The one sentence that matters most."""

    text: str


@dataclass(frozen=True)
class Facts:
    """Terms, each with what is said of it."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Alarm:
    """What not to overlook."""

    title: str
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Rows:
    """A table, the first row its head; `folded` hides a long one behind that line."""

    rows: Table
    folded: str | None = None


@dataclass(frozen=True)
class Code:
    """Commands, one a line."""

    text: str


@dataclass(frozen=True)
class Drawn:
    """A picture that can be drawn light and dark; `file` is the PNG beside the report."""

    file: str
    described: str
    drawing: Drawing


@dataclass(frozen=True)
class Sheet:
    """A PNG as it is."""

    file: str
    described: str
    png: bytes


Part = Heading | Text | Lead | Facts | Alarm | Rows | Code | Drawn | Sheet


def to_html(title: str, parts: Sequence[Part]) -> str:
    """One file with all pictures in it."""
    page = Page(title)
    for part in parts:
        _add(page, part)
    return str(page)


def _add(page: Page, part: Part) -> None:
    match part:
        case Heading(text):
            page.heading(text)
        case Text(text, faint):
            page.text(text, faint)
        case Lead(text):
            page.lead(text)
        case Facts(pairs):
            page.facts(pairs)
        case Alarm(title, texts):
            page.alarm(title, texts)
        case Rows(rows, folded):
            page.table(rows, MARKS, folded)
        case Code(text):
            page.code(text)
        case Drawn(_, described, drawing):
            page.drawing(svg(drawing, LIGHT), svg(drawing, DARK), described)
        case Sheet(_, described, png):
            page.png(png, described)


def to_markdown(title: str, parts: Sequence[Part]) -> str:
    """The same, with the pictures as files beside it."""
    blocks = [f"# {_plain(title)}", *(_markdown(part) for part in parts)]
    return "\n\n".join(blocks) + "\n"


def _markdown(part: Part) -> str:
    match part:
        case Heading(text):
            return f"## {_plain(text)}"
        case Text(text, _):
            return _plain(text)
        case Lead(text):
            return f"**{_plain(text)}**"
        case Facts(pairs):
            return "\n".join(f"- **{_plain(term)}**: {_plain(text)}" for term, text in pairs)
        case Alarm(title, texts):
            return "\n".join([f"**{_plain(title)}**", "", *(f"- {_plain(text)}" for text in texts)])
        case Rows(rows, _):
            return _markdown_table(rows)
        case Code(text):
            return "\n".join(f"    {line}" for line in text.splitlines())
        case Drawn(file, described, _) | Sheet(file, described, _):
            return f"![{_plain(described)}]({file})"


def _markdown_table(table: Table) -> str:
    head, *rows = table
    rule = ["---", *("---:" for _ in head[1:])]
    cells = [[_plain(cell).replace("|", "\\|") for cell in row] for row in (head, *rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in (cells[0], rule, *cells[1:]))


def _plain(text: str) -> str:
    """`text` with nothing in it that Markdown or HTML would take for markup."""
    for special in "\\`*_[]<$":
        text = text.replace(special, f"\\{special}")
    return " ".join(text.split("\n"))
