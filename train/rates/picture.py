"""The picture of a range test: losses over learning rates, and what each rule reads off them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from augcli.train import pictures
from augcli.train.rates.range_test import EXPONENTIAL, RangeTest
from augcli.train.rates.rules import first_settled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RAW, SMOOTHED = "#9CC7E3", pictures.TRAIN
MARKS = {"minimum/10": "#009E73", "steep": "#D55E00", "valley": "#CC79A7", "slide": "#8A6D00"}
"""Of Okabe and Ito's palette, the last one darkened: beside yellow no text can be read."""
ROW_POINTS = 15
"""Height of a label: each mark has one on a row of its own, above the curve."""
RISE = 0.6
"""Room above the highest loss before the lowest, as a share of how far it falls."""
LABELS_LEFT_FROM = 0.8
"""Share of the width from which labels stand to the left of their marks."""


def draw_range_test(path: Path, test: RangeTest) -> None:
    """Write the picture of `test`."""
    figure = pictures.new_figure(width=9.0, height=5.2)
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    if test.sweep.kind == EXPONENTIAL:
        axes.set_xscale("log")
    axes.set_xlim(test.sweep.start, test.sweep.end)
    axes.plot(test.rates, test.losses, color=RAW, linewidth=1.0, label="each batch")
    axes.plot(test.rates, test.smoothed, color=SMOOTHED, linewidth=2.0, label="smoothed")
    _set_heights(axes, test)
    found = [(said.rate, name) for name, said in test.suggestions.items() if said.rate is not None]
    for row, (rate, name) in enumerate(sorted(found)):
        _mark(axes, test, rate, name, row)
    _dress(axes, test)
    pictures.save_figure(figure, path)


def _set_heights(axes: Axes, test: RangeTest) -> None:
    """As far as the curve falls fills the picture: a diverging loss leaves it at the top.

    The first steps, before the average has settled, are not where it is lowest.
    """
    if not test.losses:
        return
    smoothed = np.asarray(test.smoothed)
    settled = min(first_settled(test.sweep.steps), len(smoothed) - 1)
    lowest = settled + int(smoothed[settled:].argmin())
    before = [*test.losses[: lowest + 1], *test.smoothed[: lowest + 1]]
    low, high = min(*before, float(smoothed[lowest])), max(before)
    fall = max(high - low, 0.05 * high, 1e-6)
    axes.set_ylim(low - 0.08 * fall, high + RISE * fall)


def _mark(axes: Axes, test: RangeTest, rate: float, name: str, row: int) -> None:
    """A line at the rate that a rule suggests, up to its label, and a dot on the smoothed loss."""
    colour = MARKS[name]
    shown = max(rate, test.sweep.start)  # a tenth of a rate may lie before the first
    height = float(np.interp(shown, test.rates, test.smoothed))
    axes.axvline(shown, color=colour, linewidth=1.1, linestyle=(0, (4, 2)), zorder=1)
    axes.plot([shown], [height], "o", color=colour, markersize=7, zorder=4)
    share = axes.transAxes.inverted().transform(axes.transData.transform((shown, height)))[0]
    to_left = share > LABELS_LEFT_FROM
    axes.annotate(
        f"{name}  {rate:.2g}", (shown, 1.0), xycoords=("data", "axes fraction"),
        xytext=(-5 if to_left else 5, -5 - ROW_POINTS * row), textcoords="offset points",
        ha="right" if to_left else "left", va="top", fontsize=10, color=colour, weight="bold",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0}, zorder=5,
    )  # fmt: skip


def _dress(axes: Axes, test: RangeTest) -> None:
    axes.set_xlabel("learning rate", fontsize=10)
    axes.set_ylabel("training loss (cross-entropy, nats)", fontsize=10)
    axes.grid(color="#E4E4E4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=9, loc="lower left", framealpha=0.9, edgecolor="none")
    how = test.diverged or "the loss never diverged"
    axes.set_title("Range test", fontsize=12, loc="left", weight="bold")
    title = f"{len(test.rates)} of {test.sweep.steps} steps: {how}"
    axes.set_title(title, fontsize=9, loc="right", color=pictures.NEUTRAL)
