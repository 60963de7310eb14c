"""Copies versus accuracy, with on the fly as a band."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augcli.train import pictures
from augcli.train.comparisons.analysis import Analysis, ArmResult
from augcli.train.comparisons.copies import Copies
from augcli.train.comparisons.drawing import (
    SMALL,
    TEXT,
    Theme,
    colour_of,
    comparison_halves,
    dress,
    new_figure,
)
from augcli.train.comparisons.measurements import NONE, ORIGINALS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_COLUMNS = 2
GAP = 0.5
"""Between numbers of copies and other arms, in columns."""
CROWDED = 0.2
"""Of the height: names of lines that are nearer would overlap."""
JITTER = 0.09
"""How far apart the seeds of an arm are drawn, in columns."""


def draw_copies(analysis: Analysis, theme: Theme) -> Figure:
    """A panel for each policy."""
    shown = analysis.copies
    columns = min(len(shown), MAX_COLUMNS)
    rows = -(-len(shown) // columns)
    figure = new_figure(theme, height=3.8 if len(shown) == 1 else 3.0 * rows)
    panels = list(figure.subplots(rows, columns, squeeze=False, sharey=True).flat)
    for axes, copies in zip(panels, shown, strict=False):
        title = "Accuracy, %, by stored copies"
        if len(shown) > 1:
            title = pictures.readable_name(copies.policy, 34)
        _draw(axes, analysis, copies, theme)
        dress(axes, theme, title)
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    panels[0].set_ylim(_limits(analysis))
    return figure


def _draw(axes: Axes, analysis: Analysis, copies: Copies, theme: Theme) -> None:
    stored, others = [analysis.of(name) for name in copies.arms], _others(analysis, copies)
    rows, fresh = [*stored, *others], analysis.of(copies.fresh)
    halves = [row.difference.half_width or 0.0 for row in rows if row.difference is not None]
    band, bars = comparison_halves(halves)
    places = [n + (GAP if n >= len(stored) else 0.0) for n in range(len(rows))]
    means = [100 * row.accuracy.mean for row in rows]
    axes.plot(
        places[: len(stored)], means[: len(stored)], color=theme.stored, linewidth=1.4, zorder=2
    )
    for row, place, half in zip(rows, places, bars, strict=True):
        _draw_arm(axes, row, place, half, theme)
    _draw_levels(axes, analysis, fresh, band, theme)
    axes.set_xticks(places, [f"{k}" for k in copies.counts] + [_name(row) for row in others])
    axes.set_xlim(-0.55, max(places) + 0.55)
    axes.set_xlabel("stored copies of each image" if not others else "stored copies; other arms")


def _others(analysis: Analysis, copies: Copies) -> list[ArmResult]:
    """Stored views with fresh transforms on top, and stored originals."""
    return [
        row
        for row in analysis.arms
        if row.arm.policy == copies.policy and (row.arm.residual or row.arm.source == ORIGINALS)
    ]


def _name(row: ArmResult) -> str:
    if row.arm.residual:
        return f"{row.arm.copies} and\n{pictures.readable_name(row.arm.residual, 18)}"
    return "stored originals,\non the fly"


def _draw_arm(axes: Axes, row: ArmResult, place: float, half: float, theme: Theme) -> None:
    colour = colour_of(row.arm, theme)
    middle = (len(row.by_seed) - 1) / 2
    aside = [place + JITTER * (n - middle) for n in range(len(row.by_seed))]
    axes.plot(
        aside, [100 * value for value in row.by_seed], linestyle="none", marker="o", markersize=3.5,
        color=colour, alpha=0.45, markeredgewidth=0, zorder=3,
    )  # fmt: skip
    mean = 100 * row.accuracy.mean
    axes.errorbar(
        place, mean, yerr=100 * half, color=colour, marker="o", markersize=7, linewidth=1.8,
        capsize=4, zorder=4,
    )  # fmt: skip
    axes.annotate(
        f"{mean:.1f}", (place, mean), xytext=(7, -11), textcoords="offset points", fontsize=TEXT,
        color=colour, zorder=5,
    )  # fmt: skip


def _draw_levels(
    axes: Axes, analysis: Analysis, fresh: ArmResult, band: float, theme: Theme
) -> None:
    """Lines through all columns; their names are kept apart."""
    none = next((row for row in analysis.arms if row.arm.source == NONE), None)
    if none is None:
        _draw_level(axes, fresh, "on the fly", band, "center", theme)
        return
    low, high = _limits(analysis)
    apart = 100 * (fresh.accuracy.mean - none.accuracy.mean)
    sides = ("bottom", "top") if apart >= 0 else ("top", "bottom")
    if abs(apart) > CROWDED * (high - low):
        sides = ("center", "center")
    _draw_level(axes, fresh, "on the fly", band, sides[0], theme)
    _draw_level(axes, none, "no aug-\nmentation", 0.0, sides[1], theme)


def _draw_level(
    axes: Axes, row: ArmResult, name: str, half: float, side: str, theme: Theme
) -> None:
    """A line, perhaps in a band."""
    colour, mean = colour_of(row.arm, theme), 100 * row.accuracy.mean
    if half:
        axes.axhspan(
            mean - 100 * half, mean + 100 * half, color=colour, alpha=0.22, linewidth=0, zorder=0
        )
    axes.axhline(mean, color=colour, linewidth=1.4, linestyle="-" if half else "--", zorder=1)
    axes.annotate(
        f"{name}\n{mean:.1f}", (1.0, mean), xycoords=("axes fraction", "data"), xytext=(4, 0),
        textcoords="offset points", va=side, fontsize=SMALL, color=colour,
    )  # fmt: skip


def _limits(analysis: Analysis) -> tuple[float, float]:
    """By means and seeds; intervals that are far longer than what differs leave the picture."""
    values = [100 * value for row in analysis.arms for value in row.by_seed]
    low, high = min(values), max(values)
    room = max(1.0, 0.16 * (high - low))
    return max(0.0, low - room), min(100.0 + room / 3, high + room)
