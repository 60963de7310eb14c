"""The picture of `augcli schedule`: the learning rate by epoch and step, one panel a schedule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from augcli.train import pictures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from augcli.train.scheduling import Curve, Forecast, ScheduleResult

LINE, EARLIEST, WARMUP, MARK = pictures.TRAIN, pictures.VALIDATION, "#F3E3B3", "#888888"

COLUMNS = 3
MAX_STAIRS = 80
"""A run of fewer steps is drawn as the stairs that it is."""
MAX_MARKS = 24
"""More vertical lines would hide the curve."""
HEADROOM = 1.25
"""Room above the peak for notes, as a factor."""


def draw_schedules(path: Path, result: ScheduleResult) -> None:
    """Write the picture of all schedules in `result`."""
    count = len(result.forecasts)
    columns = 2 if count == 4 else min(count, COLUMNS)
    rows = math.ceil(count / columns)
    width, height = (9.0, 4.2) if count == 1 else (4.4 * columns, 3.1 * rows + 0.6)
    figure = pictures.new_figure(width=width, height=height)
    figure.set_layout_engine("constrained", h_pad=0.09, w_pad=0.09)
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for panel, forecast in zip(panels, result.forecasts, strict=False):
        _draw(panel, forecast, result)
    for panel in panels[count:]:
        panel.set_axis_off()
    epochs = "epoch" if result.epochs == 1 else "epochs"
    figure.suptitle(
        f"{result.epochs:,} {epochs} of {result.steps_per_epoch:,} steps "
        f"({result.samples:,} samples in batches of {result.batch_size:,}): {result.steps:,} steps",
        fontsize=10, x=0.01, ha="left", color=pictures.NEUTRAL,
    )  # fmt: skip
    pictures.save_figure(figure, path)


def _draw(axes: Axes, forecast: Forecast, result: ScheduleResult) -> None:
    top = max(forecast.curve.rates)
    axes.set_xlim(0, result.epochs)
    axes.set_ylim(0, HEADROOM * top if top else 1.0)
    if forecast.earliest is not None:
        _line(axes, forecast, forecast.curve, LINE, "-", "while validation gets better")
        _line(axes, forecast, forecast.earliest, EARLIEST, "--", "if it never does")
        axes.legend(fontsize=8, loc="center right", framealpha=0.9, edgecolor="none")
    else:
        _line(axes, forecast, forecast.curve, LINE, "-", forecast.name)
    _mark_warmup(axes, forecast)
    _mark_corners(axes, forecast)
    _mark_peak_and_end(axes, forecast)
    _dress(axes, forecast, result)


def _line(
    axes: Axes, forecast: Forecast, curve: Curve, colour: str, style: str, label: str
) -> None:
    """The curve; each step lasts until the next, so the line goes on to the end of the last."""
    stairs = forecast.schedule.steps <= MAX_STAIRS
    steps = (*curve.steps, forecast.schedule.steps)
    axes.plot(
        [forecast.epoch_of(step) for step in steps], [*curve.rates, curve.rates[-1]],
        color=colour, linewidth=1.8, linestyle=style, label=label,
        drawstyle="steps-post" if stairs else "default", solid_joinstyle="round", clip_on=False,
    )  # fmt: skip


def _mark_warmup(axes: Axes, forecast: Forecast) -> None:
    end = forecast.epoch_of(forecast.schedule.warmup)
    if end:
        axes.axvspan(0, end, color=WARMUP, linewidth=0, zorder=0)
        _write(axes, f"warm-up to {end:.3g}", end, line=0, colour="#7A5C00")


def _mark_corners(axes: Axes, forecast: Forecast) -> None:
    """Restarts, drops or ends of cycles, each with its epoch."""
    steps = _marked(forecast)
    if len(steps) > MAX_MARKS:
        return
    for step in steps:
        epoch = forecast.epoch_of(step)
        axes.axvline(epoch, color=MARK, linewidth=0.9, linestyle=":", zorder=0)
        _write(axes, f"{epoch:.3g}", epoch, line=1, colour=pictures.NEUTRAL)


def _write(axes: Axes, text: str, epoch: float, line: int, colour: str) -> None:
    """A note beside a place, on a line of text from the top: above every curve."""
    axes.annotate(
        text, (epoch, 1.0), xycoords=("data", "axes fraction"), fontsize=8, color=colour,
        ha="left", va="top", xytext=(3, -3 - 11 * line), textcoords="offset points",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
    )  # fmt: skip


def _marked(forecast: Forecast) -> Sequence[int]:
    run = forecast.schedule
    ends = [end for end in run.cycle_ends() if end < run.steps]
    return ends or [*run.corners()]


def _mark_peak_and_end(axes: Axes, forecast: Forecast) -> None:
    curve = forecast.curve
    top, last = max(curve.rates), curve.rates[-1]
    places = [(forecast.epoch_of(curve.steps[curve.rates.index(top)]), top)]
    end = "as validation says"
    if forecast.earliest is None:
        places.append((forecast.epoch_of(forecast.schedule.steps), last))
        end = f"{last:.3g}"
    for epoch, rate in places:
        axes.plot([epoch], [rate], marker="o", markersize=5, color=LINE, clip_on=False, zorder=4)
    axes.set_title(f"peak {top:.3g}, end {end}", fontsize=9, loc="right", color=LINE)


def _dress(axes: Axes, forecast: Forecast, result: ScheduleResult) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_xlabel("epoch", fontsize=9)
    axes.set_ylabel("learning rate", fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter("{x:.3g}")
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    per_epoch = result.steps_per_epoch
    both_ways = (partial(np.multiply, per_epoch), partial(np.multiply, 1 / per_epoch))
    steps = axes.secondary_xaxis("top", functions=both_ways)
    steps.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=[1, 2, 2.5, 5, 10]))
    steps.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
    steps.tick_params(labelsize=8, colors=MARK)
    steps.spines["top"].set_color(MARK)
    steps.set_xlabel("step", fontsize=8, color=MARK)
    axes.set_title(forecast.name, fontsize=11, loc="left", weight="bold")
