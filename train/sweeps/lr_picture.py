"""The picture of learning rate against result, a line for each schedule or optimiser."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augcli.train import pictures
from augcli.train.config import AUTO_LR
from augcli.train.optimizers import optimiser_of, resolve_lr
from augcli.train.sweeps.domains import Value
from augcli.train.sweeps.panels import (
    END_MARKERS,
    MAX_TITLE,
    Colours,
    Group,
    add_legend,
    groups,
)
from augcli.train.sweeps.space import Space, text_of
from augcli.train.sweeps.standings import Standing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from augcli.train.sweeps.result import SweepResult

MAX_COLUMNS = 3
MAX_NAMED_RATES = 7
"""More are named by the scale."""
RING: dict[str, Any] = {
    "marker": "o",
    "markersize": 11,
    "markerfacecolor": "none",
    "markeredgewidth": 1.8,
}
"""Around the best."""
ASIDE = 1.05
"""Lines are moved aside by such a factor, so that their intervals don't hide each other."""
SPREAD = 4.0
"""Rates so many times apart are on a logarithmic scale."""
LINES_BY = ("sched", "opt")
"""Factors that have a line for each of their values, in the order of preference."""


def draw_rates(path: Path, result: SweepResult) -> None:
    """Write the picture: validation accuracy, with its interval, over the learning rate."""
    space = result.space
    by = _lines_by(space)
    colours = Colours(space, by)
    known = [each for each in result.standings if is_known(each)]
    if not known:
        return
    shown = groups(space, known, apart=["lr", *([by] if by else [])])
    columns = min(len(shown), MAX_COLUMNS)
    rows = math.ceil(len(shown) / columns)
    size = (7.0, 4.2) if len(shown) == 1 else (4.0 * columns + 0.6, 3.2 * rows + 0.5)
    figure = pictures.new_figure(width=size[0], height=size[1])
    figure.set_layout_engine("constrained", h_pad=0.06, w_pad=0.08)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).flatten()
    for axes, group in zip(panels, shown, strict=False):
        _draw(axes, group, colours, result)
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    _set_limits(panels[0], known, space)
    add_legend(figure, colours, list(panels), known, {**RING, "linestyle": "none"})
    pictures.save_figure(figure, path)


def _lines_by(space: Space) -> str | None:
    """The factor whose values have colours: a schedule, an optimiser, or the next best."""
    others = [name for name in space.factors if name != "lr"]
    return next((name for name in (*LINES_BY, *others) if name in others), None)


def _draw(axes: Axes, group: Group, colours: Colours, result: SweepResult) -> None:
    space, name = result.space, colours.name
    by_value: dict[Value, list[Standing]] = {}
    for standing in group.standings:
        by_value.setdefault(standing.values.get(name) if name else None, []).append(standing)
    lines_join = not space.ranges and len({*group.values, "lr", name}) >= len(space.factors)
    middle = (len(by_value) - 1) / 2
    for number, of_value in enumerate(by_value.values()):
        colour = colours.of(of_value[0].values)
        aside = ASIDE ** (number - middle) if lines_join else 1.0
        _draw_points(axes, of_value, colour, aside, "-" if lines_join else "none")
        for state, marker in END_MARKERS.items():
            rates = [aside * lr_of(each) for each in of_value if each.state == state]
            _draw_at_foot(axes, rates, number, marker, colour)
        if result.best in of_value and result.best is not None:
            place = aside * lr_of(result.best), 100 * (result.best.accuracy or 0.0)
            axes.plot(*place, color=colour, zorder=5, **RING)
    _dress(axes, group)


def _draw_points(
    axes: Axes, standings: Sequence[Standing], colour: str, aside: float, style: str
) -> None:
    points = sorted(
        (aside * lr_of(each), each.accuracy, each.bounds)
        for each in standings
        if each.is_whole and each.accuracy is not None and each.bounds is not None
    )
    if not points:
        return
    rates = [rate for rate, _, _ in points]
    middles = [100 * accuracy for _, accuracy, _ in points]
    below = [100 * (accuracy - low) for _, accuracy, (low, _) in points]
    above = [100 * (high - accuracy) for _, accuracy, (_, high) in points]
    axes.errorbar(
        rates, middles, yerr=(below, above), color=colour, linestyle=style, linewidth=1.7,
        marker="o", markersize=5, elinewidth=1.0, capsize=2.5, ecolor=colour,
    )  # fmt: skip


def _draw_at_foot(
    axes: Axes, rates: Sequence[float], number: int, marker: str, colour: str
) -> None:
    """What has no result, each line of the picture in a row of its own."""
    if rates:
        axes.plot(
            rates, [0.035 + 0.05 * number] * len(rates), transform=axes.get_xaxis_transform(),
            linestyle="none", marker=marker, markersize=7, markeredgecolor=colour, color=colour,
        )  # fmt: skip


def lr_of(standing: Standing) -> float:
    """The learning rate of a combination, if need be the default of its optimiser."""
    config = standing.ended[0].trial.config
    return resolve_lr(optimiser_of(config), config.lr, config.lrs)


def is_known(standing: Standing) -> bool:
    """Whether the learning rate was given, and not found by each training for itself."""
    return standing.ended[0].trial.config.lr != AUTO_LR


def _set_limits(axes: Axes, standings: Sequence[Standing], space: Space) -> None:
    """All panels share them. Intervals that are far wider than what differs leave the picture."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    rates = sorted({lr_of(each) for each in standings})
    if rates[0] > 0 and rates[-1] >= SPREAD * rates[0]:
        axes.set_xscale("log")
    if "lr" not in space.ranges and len(rates) <= MAX_NAMED_RATES:
        axes.xaxis.set_major_locator(FixedLocator(rates))
        axes.xaxis.set_major_formatter(FixedFormatter([text_of("lr", rate) for rate in rates]))
        axes.xaxis.set_minor_locator(NullLocator())
    means = [100 * each.accuracy for each in standings if each.accuracy is not None]
    bounds = [100 * bound for each in standings for bound in each.bounds or ()]
    if means:
        padding = max(5.0, 0.5 * (max(means) - min(means)))
        bottom, top = min(means) - padding, max(means) + padding
        axes.set_ylim(max(bottom, min(bounds) - 1.0), min(top, max(bounds) + 1.0))


def _dress(axes: Axes, group: Group) -> None:
    title = pictures.readable_name(group.title, MAX_TITLE)
    if not group.values:
        title = "Validation accuracy, %, by learning rate (95 % intervals)"
    axes.set_title(
        title, fontsize=10, loc="left", weight="bold" if group.values else "normal",
        parse_math=False,
    )  # fmt: skip
    axes.set_xlabel("learning rate", fontsize=9)
    axes.set_ylabel("validation accuracy, %", fontsize=9)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, labelbottom=True)
    axes.spines[["top", "right"]].set_visible(False)
