"""Policies by their accuracy, on the fly and stored, over no augmentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augcli.train.comparisons.analysis import Analysis
from augcli.train.comparisons.drawing import SMALL, Theme, dress, name_rows, new_figure
from augcli.train.comparisons.policies import Policies

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ASIDE = 0.17
"""How far on the fly and stored are drawn from the middle of their row."""


def draw_policies(analysis: Analysis, found: Policies, theme: Theme) -> Figure:
    """A row for each policy: both modes with the intervals of what they bring over none."""
    figure = new_figure(theme, height=1.35 + 0.52 * len(found.rows))
    axes = figure.subplots()
    if found.none is not None:
        mean = 100 * analysis.of(found.none).accuracy.mean
        axes.axvline(mean, color=theme.none, linewidth=1.4, linestyle="--")
        axes.annotate(
            f"no augmentation {mean:.1f}", (mean, 1.0), xycoords=("data", "axes fraction"),
            xytext=(5, -3), textcoords="offset points", va="top", fontsize=SMALL, color=theme.none,
        )  # fmt: skip
    for place, row in enumerate(found.rows):
        modes = ((row.fresh, row.gain, theme.fresh), (row.stored, row.stored_gain, theme.stored))
        for (arm, gain, colour), aside in zip(modes, (-ASIDE, ASIDE), strict=True):
            if arm is not None:
                half = gain.half_width if gain is not None else None
                mean = analysis.of(arm).accuracy.mean
                _draw(axes, mean, half or 0.0, place + aside, colour)
    dress(axes, theme, "Accuracy of each policy, %", grid="x")
    name_rows(axes, [row.policy for row in found.rows])
    axes.margins(x=0.08)
    stored = next((row.stored for row in found.rows if row.stored), None)
    named = "" if stored is None else f", below stored ({analysis.of(stored).arm.copies} copies)"
    axes.set_xlabel(f"above on the fly{named}; intervals are of the difference to none")
    return figure


def _draw(axes: Axes, mean: float, half: float, place: float, colour: str) -> None:
    axes.errorbar(
        100 * mean, place, xerr=100 * half, color=colour, marker="o", markersize=6.5,
        linewidth=1.8, capsize=3,
    )  # fmt: skip
    axes.annotate(
        f"{100 * mean:.1f}", (100 * mean, place), xytext=(0, 4.5), textcoords="offset points",
        ha="center", fontsize=SMALL, color=colour,
    )  # fmt: skip
