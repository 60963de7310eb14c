"""Class by class, what stored views change against on the fly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augcli.train.comparisons.classes import ClassRow
from augcli.train.comparisons.drawing import SMALL, Theme, dress, name_rows, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_CLASSES = 30
"""Of more, those that differ most at either end."""


def draw_classes(rows: tuple[ClassRow, ...], arm: str, theme: Theme) -> Figure:
    """Differences with their intervals, greatest gain first; filled where told apart."""
    known = [row for row in rows if row.difference is not None]
    known.sort(key=lambda row: -row.difference.mean if row.difference else 0.0)
    if len(known) > MAX_CLASSES:
        known = [*known[: MAX_CLASSES // 2], *known[-MAX_CLASSES // 2 :]]
    figure = new_figure(theme, height=1.1 + 0.25 * len(known))
    axes = figure.subplots()
    axes.axvline(0.0, color=theme.faint, linewidth=1.2)
    for place, row in enumerate(known):
        _draw(axes, row, place, theme)
    dress(axes, theme, f"Recall of {arm} less that of on the fly, points", grid="x")
    name_rows(axes, [row.name for row in known])
    axes.set_xlabel(
        "95 % intervals, each by itself; filled: told apart among all classes; right: images"
    )
    means = [100 * abs(row.difference.mean) for row in known if row.difference]
    halves = sorted(100 * (row.difference.half_width or 0) for row in known if row.difference)
    reach = max(2.0, max(means) + 1.15 * halves[int(0.9 * (len(halves) - 1))])
    axes.set_xlim(-reach, reach)
    return figure


def _draw(axes: Axes, row: ClassRow, place: int, theme: Theme) -> None:
    found = row.difference
    assert found is not None
    colour = theme.stored if found.mean >= 0 else theme.fresh
    axes.plot([100 * found.low, 100 * found.high], [place, place], color=colour, linewidth=1.8)
    axes.plot(
        100 * found.mean, place, marker="o", markersize=6.5, color=colour, markeredgewidth=1.6,
        markerfacecolor=colour if found.told else theme.paper,
    )  # fmt: skip
    if row.images is not None:
        axes.annotate(
            f"{row.images:,}", (1.0, place), xycoords=("axes fraction", "data"), ha="right",
            va="center", fontsize=SMALL, color=theme.faint, xytext=(-2, 0),
            textcoords="offset points",
        )  # fmt: skip
