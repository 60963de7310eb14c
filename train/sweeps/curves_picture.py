"""The picture of all trainings: training loss and validation accuracy by epoch."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from augcli.train import pictures
from augcli.train.record import Row
from augcli.train.sweeps.panels import (
    END_MARKERS,
    MAX_TITLE,
    Colours,
    Group,
    add_legend,
    groups,
)
from augcli.train.sweeps.standings import Standing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from augcli.train.sweeps.result import SweepResult

MAX_COLUMNS = 4
"""Of panels beside each other; more groups go on below."""
BEST_THICK, THICK, MANY_THICK = 2.8, 1.6, 1.0
MANY = 12
"""Lines in a panel that are too many to be thick."""
LOSS_HEADROOM = 1.25
"""Over the usual first loss: what climbs higher leaves the picture."""

Quantity = Callable[[Row], float | None]


def draw_curves(path: Path, result: SweepResult) -> None:
    """Write the picture: a column, or two panels, for each combination of all but one factor."""
    space = result.space
    first = next(iter(space.factors), None)
    colours = Colours(space, first)
    shown = groups(space, result.standings, apart=[first] if first else [])
    figure, panels = _figure(len(shown))
    for group, (losses, accuracies) in zip(shown, panels, strict=False):
        _draw(losses, group, colours, result, lambda row: row.train_loss)
        _draw(accuracies, group, colours, result, lambda row: row.val_accuracy)
        _title(losses, accuracies, group, len(shown))
    for empty in panels[len(shown) :]:
        for axes in empty:
            axes.set_visible(False)
    _set_limits(panels, result.standings)
    for group, (losses, _) in zip(shown, panels, strict=False):
        _mark_beyond(losses, group, colours)
    every = [axes for pair in panels for axes in pair]
    add_legend(figure, colours, every, result.standings, {"linewidth": 1.6 * BEST_THICK})
    pictures.save_figure(figure, path)


def _figure(count: int) -> tuple[Figure, list[tuple[Axes, Axes]]]:
    """A figure, and the panels for loss and accuracy of each of `count` groups."""
    if count == 1:
        figure = pictures.new_figure(width=10.5, height=4.0)
        figure.set_layout_engine("constrained", w_pad=0.08)
        losses, accuracies = figure.subplots(1, 2)
        return figure, [(losses, accuracies)]
    columns = min(count, MAX_COLUMNS)
    if count > MAX_COLUMNS:
        columns = math.ceil(count / math.ceil(count / MAX_COLUMNS))
    bands = math.ceil(count / columns)
    figure = pictures.new_figure(width=max(7.0, 3.1 * columns + 0.8), height=4.3 * bands + 0.5)
    figure.set_layout_engine("constrained", h_pad=0.06, w_pad=0.08)
    axes = figure.subplots(2 * bands, columns, squeeze=False)
    panels = [
        (axes[2 * band, column], axes[2 * band + 1, column])
        for band in range(bands)
        for column in range(columns)
    ]
    return figure, panels


def _draw(
    axes: Axes, group: Group, colours: Colours, result: SweepResult, quantity: Quantity
) -> None:
    thick = MANY_THICK if len(group.standings) > MANY else THICK
    for standing in reversed(group.standings):  # the best on top
        several = len(standing.ended) > 1
        thickness = BEST_THICK if result.best is standing else thick
        colour = colours.of(standing.values)
        for each in standing.ended:
            found = [(row.epoch, quantity(row)) for row in each.outcome.rows]
            points = [(epoch, value) for epoch, value in found if value is not None]
            if points:
                axes.plot(
                    *zip(*points, strict=True), color=colour, solid_capstyle="round",
                    linewidth=0.8 if several else thickness, alpha=0.4 if several else 1.0,
                    marker="o" if len(points) == 1 else None, markersize=4,
                )  # fmt: skip
                _mark_end(axes, each.outcome.state, points[-1], colour)
        if several:
            _draw_mean(axes, standing, colour, thickness, quantity)
    _dress(axes)


def _draw_mean(
    axes: Axes, standing: Standing, colour: str, thickness: float, quantity: Quantity
) -> None:
    """Of several seeds, as far as all of them went."""
    epochs = zip(*(each.outcome.rows for each in standing.ended), strict=False)
    means = [
        (rows[0].epoch, statistics.fmean(values))
        for rows in epochs
        if len(values := [v for row in rows if (v := quantity(row)) is not None]) == len(rows)
    ]
    if means:
        axes.plot(
            *zip(*means, strict=True), color=colour, linewidth=thickness, solid_capstyle="round"
        )


def _mark_end(axes: Axes, state: str, point: tuple[int, float], colour: str) -> None:
    """What did not go on to the last epoch."""
    if state in END_MARKERS:
        axes.plot(
            *point, marker=END_MARKERS[state], color=colour, markersize=7, markeredgecolor=colour,
            zorder=5,
        )  # fmt: skip


def _mark_beyond(axes: Axes, group: Group, colours: Colours) -> None:
    """An arrow where a loss leaves the picture."""
    _, top = axes.get_ylim()
    for standing in group.standings:
        for each in standing.ended:
            beyond = [row.epoch for row in each.outcome.rows if row.train_loss > top]
            axes.plot(
                beyond[:1], [0.98] * len(beyond[:1]), transform=axes.get_xaxis_transform(),
                marker="^", markersize=6, color=colours.of(standing.values), linestyle="none",
                zorder=6,
            )  # fmt: skip


def _title(losses: Axes, accuracies: Axes, group: Group, count: int) -> None:
    if count == 1:
        losses.set_title("Training loss (cross-entropy, nats)", fontsize=11, loc="left")
        accuracies.set_title("Validation accuracy", fontsize=11, loc="left")
        return
    losses.set_title(
        pictures.readable_name(group.title, MAX_TITLE), fontsize=10, loc="left", weight="bold",
        parse_math=False,
    )  # fmt: skip
    losses.set_ylabel("training loss", fontsize=9)
    accuracies.set_ylabel("validation accuracy", fontsize=9)


def _dress(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch", fontsize=9)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _set_limits(panels: Sequence[tuple[Axes, Axes]], standings: Sequence[Standing]) -> None:
    """All panels share them. What climbs far over the usual first loss leaves the picture."""
    runs = [each.outcome.rows for standing in standings for each in standing.ended]
    rows = [row for run in runs for row in run]
    losses = [row.train_loss for row in rows]
    usual_first = statistics.median(run[0].train_loss for run in runs if run)
    shares = [row.val_accuracy for row in rows if row.val_accuracy is not None]
    epochs = max(row.epoch for row in rows)
    for loss_axes, accuracy_axes in panels:
        loss_axes.set_ylim(_padded(min(losses), min(max(losses), LOSS_HEADROOM * usual_first)))
        accuracy_axes.set_ylim(_padded(min(shares, default=0.0), max(shares, default=1.0)))
        for axes in (loss_axes, accuracy_axes):
            axes.set_xlim(*((1, epochs) if epochs > 1 else (0.5, 1.5)))


def _padded(low: float, high: float) -> tuple[float, float]:
    padding = 0.06 * (high - low) or 0.05
    return max(0.0, low - padding), high + padding
