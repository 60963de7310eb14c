"""How fast each source is, and how much of training from it is waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augcli.train.comparisons.drawing import (
    SMALL,
    TEXT,
    Theme,
    colour_of,
    dress,
    name_rows,
    new_figure,
)
from augcli.train.comparisons.measurements import ArmThroughput, Measurements, Repeated

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_ROWS = 24
"""More arms than that don't fit on a page."""
DENSE = 40
"""A greater range of rates has no room for marks between the powers of ten."""


def draw_throughput(measurements: Measurements, theme: Theme) -> Figure:
    """Rates on the left, on a logarithmic scale; where the time of training goes on the right."""
    groups = _groups(measurements)[:MAX_ROWS]
    figure = new_figure(theme, height=1.15 + 0.36 * len(groups))
    rates, shares = figure.subplots(1, 2, sharey=True, width_ratios=(1.55, 1))
    _draw_rates(rates, measurements, groups, theme)
    _draw_shares(shares, measurements, groups, theme)
    dress(rates, theme, "Views per second", grid="x")
    dress(shares, theme, "Time of training, %", grid="x")
    name_rows(rates, [_name(group) for group in groups])
    return figure


def _groups(measurements: Measurements) -> list[list[ArmThroughput]]:
    """Arms that share one measurement, since they differ in nothing that matters to it."""
    groups: dict[tuple[Repeated, Repeated], list[ArmThroughput]] = {}
    for row in measurements.throughput.arms:
        groups.setdefault((row.source, row.training), []).append(row)
    return list(groups.values())


def _name(group: list[ArmThroughput]) -> str:
    first, last = group[0].arm, group[-1].arm
    return first if len(group) == 1 else f"{first} … {last}"


def _draw_rates(
    axes: Axes, measurements: Measurements, groups: list[list[ArmThroughput]], theme: Theme
) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    found = measurements.throughput
    axes.axvline(found.bound.median, color=theme.faint, linewidth=1.2, linestyle=":")
    for place, (row, *_) in enumerate(groups):
        colour = colour_of(measurements.arm(row.arm), theme)
        ends = [row.training.median, row.source.median]
        axes.plot(ends, [place, place], color=colour, linewidth=1.0, alpha=0.5, zorder=1)
        _mark(axes, row.source, place, colour, filled=False, theme=theme)
        _mark(axes, row.training, place, colour, filled=True, theme=theme)
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    rates = [r for row in found.arms for r in (row.source, row.training)]
    low = min(rate.least for rate in rates)
    high = max(*(rate.greatest for rate in rates), found.bound.median)
    axes.set_xlim(low / 1.35, high * 1.35)
    marks = (1.0, 2.0, 5.0) if high < DENSE * low else (1.0,)
    axes.xaxis.set_major_locator(LogLocator(subs=marks))
    axes.set_xlabel("○ source alone  ● training  ┊ step alone")


def _mark(
    axes: Axes, rate: Repeated, place: int, colour: str, filled: bool, theme: Theme
) -> None:  # fmt: skip
    axes.plot([rate.least, rate.greatest], [place, place], color=colour, linewidth=3, zorder=2)
    axes.plot(
        rate.median, place, marker="o", markersize=7, color=colour, zorder=3,
        markerfacecolor=colour if filled else theme.paper, markeredgewidth=1.6,
    )  # fmt: skip
    axes.annotate(
        f"{rate.median:,.0f}", (rate.median, place), xytext=(0, -6 if filled else 6),
        textcoords="offset points", ha="center", va="top" if filled else "bottom", fontsize=SMALL,
        color=colour,
    )  # fmt: skip


def _draw_shares(
    axes: Axes, measurements: Measurements, groups: list[list[ArmThroughput]], theme: Theme
) -> None:
    for place, (row, *_) in enumerate(groups):
        colour = colour_of(measurements.arm(row.arm), theme)
        waiting = 100 * row.wait_share
        axes.barh(place, waiting, color=colour, height=0.62)
        axes.barh(place, 100 - waiting, left=waiting, color=theme.line, height=0.62)
        inside = waiting > 45
        axes.annotate(
            f"{waiting:.0f} % waiting", (waiting, place), va="center", fontsize=SMALL,
            xytext=(-5 if inside else 5, 0), textcoords="offset points",
            ha="right" if inside else "left", color=theme.paper if inside else theme.ink,
        )  # fmt: skip
    axes.set_xlim(0, 100)
    axes.set_xlabel("waiting, then computing")
    axes.tick_params(labelleft=False, labelsize=TEXT)
