"""What each transform brings, within the policy and alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augcli.train.comparisons.ablation_analysis import DROP, KEEP, AblationAnalysis
from augcli.train.comparisons.ablation_verdict import ranked
from augcli.train.comparisons.differences import UNTOLD, Difference
from augcli.train.comparisons.drawing import Theme, dress, name_rows, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_ablation(analysis: AblationAnalysis, theme: Theme) -> Figure:
    """A row for each transform: filled where it was decided."""
    rows = ranked(analysis)
    alone = any(row.gain is not None for row in rows)
    figure = new_figure(theme, height=1.2 + 0.32 * len(rows))
    panels = figure.subplots(1, 2 if alone else 1, sharey=True, sharex=True, squeeze=False)[0]
    colours = {KEEP: theme.originals, DROP: theme.fresh, UNTOLD: theme.none}
    titles = ("Within the policy, points", "Alone, points")
    for axes, title in zip(panels, titles, strict=False):
        axes.axvline(0.0, color=theme.faint, linewidth=1.2)
        dress(axes, theme, title, grid="x")
    for place, row in enumerate(rows):
        _draw(panels[0], row.brings, place, colours[row.decision], theme)
        if row.gain is not None:
            colour = theme.stored if row.gain.told else theme.none
            _draw(panels[1], row.gain, place, colour, theme)
    name_rows(panels[0], [row.transform for row in rows])
    panels[0].set_xlabel("the whole less the policy without it\nright: keep; left: drop")
    if alone:
        panels[1].set_xlabel("the transform less no augmentation\nfilled: told from zero")
    return figure


def _draw(axes: Axes, found: Difference, place: int, colour: str, theme: Theme) -> None:
    axes.plot([100 * found.low, 100 * found.high], [place, place], color=colour, linewidth=1.8)
    axes.plot(
        100 * found.mean, place, marker="o", markersize=6.5, color=colour, markeredgewidth=1.6,
        markerfacecolor=colour if found.told else theme.paper,
    )  # fmt: skip
