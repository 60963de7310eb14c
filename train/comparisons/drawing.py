"""What the pictures of a report have in common: a light and a dark look, colours, intervals."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from augcli.train import pictures
from augcli.train.comparisons.measurements import FRESH, NONE, ORIGINALS, Arm

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 7.6
"""Inches of every picture: the width of a page's text."""
TITLE, TEXT, SMALL = 10.5, 9.0, 8.0


@dataclass(frozen=True)
class Theme:
    """Colours on a light or a dark page; those of arms are told apart by colour-blind readers too.

    After Okabe and Ito's palette, https://jfly.uni-koeln.de/color/.
    """

    paper: str
    ink: str
    faint: str
    line: str
    none: str
    fresh: str
    stored: str
    mixed: str
    originals: str


LIGHT = Theme(
    paper="#FFFFFF", ink="#202226", faint="#5E636B", line="#DDDDDD", none="#8A8F98",
    fresh="#C94F00", stored="#0072B2", mixed="#A2447F", originals="#00795A",
)  # fmt: skip
DARK = Theme(
    paper="#17191C", ink="#E8E9EC", faint="#A3A8B0", line="#3A3E45", none="#9AA0A9",
    fresh="#F28E4A", stored="#5DB5EC", mixed="#DE8DBE", originals="#3CC49A",
)  # fmt: skip

Drawing = Callable[[Theme], "Figure"]


def colour_of(arm: Arm, theme: Theme) -> str:
    """By where its views come from."""
    if arm.residual:
        return theme.mixed
    return {NONE: theme.none, FRESH: theme.fresh, ORIGINALS: theme.originals}.get(
        arm.source, theme.stored
    )


def new_figure(theme: Theme, height: float, width: float = WIDTH) -> Figure:
    """An empty figure, `height` and `width` in inches."""
    figure = pictures.new_figure(width=width, height=height)
    figure.set_facecolor(theme.paper)
    figure.set_layout_engine("constrained", w_pad=0.06, h_pad=0.06)
    return figure


def dress(axes: Axes, theme: Theme, title: str, grid: str = "y") -> None:
    """Title and lines; the grid is of the axis that has the numbers."""
    axes.set_facecolor(theme.paper)
    axes.set_title(title, fontsize=TITLE, loc="left", color=theme.ink, parse_math=False)
    axes.grid(axis=grid, color=theme.line, linewidth=0.8)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=TEXT, colors=theme.ink, length=0)
    axes.xaxis.label.set(color=theme.ink, fontsize=TEXT)
    axes.yaxis.label.set(color=theme.ink, fontsize=TEXT)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Rows from top to bottom, each with its name."""
    short = [pictures.readable_name(name, 34) for name in names]
    axes.set_yticks(range(len(names)), short, parse_math=False)
    axes.set_ylim(len(names) - 0.4, -0.6)


def comparison_halves(half_widths: Sequence[float]) -> tuple[float, list[float]]:
    """What a baseline and each other arm get of the half-width of their difference.

    Drawn so, an arm and the baseline overlap just where their difference's interval holds zero:
    Goldstein and Healy 1995, https://doi.org/10.2307/2983411.
    """
    shared = min(half_widths, default=0.0) / 2
    return shared, [half - shared for half in half_widths]


def save_png(path: Path, drawing: Drawing) -> None:
    """Write it on white paper."""
    pictures.save_figure(drawing(LIGHT), path)


def svg(drawing: Drawing, theme: Theme) -> str:
    """The same as text, which stays sharp at any size; the same figure gives the same text."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    content = io.StringIO()
    with warnings.catch_warnings(), rc_context({"svg.hashsalt": "augcli"}):
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = drawing(theme)
        FigureCanvasSVG(figure)
        figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None})
    return content.getvalue()
