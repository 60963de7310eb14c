"""The benchmark's picture: how fast each source is, and how accurate its training."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING

from augcli.train import pictures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from augcli.train.comparisons.benchmarking import BenchmarkResult
    from augcli.train.comparisons.measurements import Repeated

COLOURS = {"none": "#999999", "on-the-fly": "#D55E00", "shards": "#0072B2"}
"""From the palette of Okabe and Ito, which colour-blind readers tell apart."""


def draw_comparison(path: Path, result: BenchmarkResult) -> None:
    """Write the picture: rates of the source and of training, and accuracies by seed."""
    figure = pictures.new_figure(width=12.0, height=3.6)
    figure.set_layout_engine("constrained")
    source, training, accuracy = figure.subplots(1, 3)
    throughput = result.measurements.throughput
    _bars(source, "Source alone, images/s", {a.arm: a.source for a in throughput.arms})
    _bars(training, "Training, images/s", {a.arm: a.training for a in throughput.arms})
    bound = throughput.bound.median
    training.set_xlim(right=1.05 * max(bound, *(a.training.greatest for a in throughput.arms)))
    training.axvline(bound, color="#222222", linewidth=1.0, linestyle=":")
    training.annotate(
        "no data needed", (bound, 1.0), xycoords=("data", "axes fraction"),
        ha="right", va="top", fontsize=8, xytext=(-3, -2), textcoords="offset points",
    )  # fmt: skip
    _accuracies(accuracy, result)
    pictures.save_figure(figure, path)


def _bars(axes: Axes, title: str, rates: dict[str, Repeated]) -> None:
    for position, (arm, rate) in enumerate(rates.items()):
        median, least, greatest = rate.median, rate.least, rate.greatest
        axes.barh(position, median, color=_colour(arm), height=0.62)
        axes.plot([least, greatest], [position, position], color="#222222", linewidth=1.2)
        axes.annotate(
            f"{median:,.0f}", (0, position), xytext=(5, 0), textcoords="offset points",
            va="center", fontsize=9, color="white",
        )  # fmt: skip
    _dress(axes, title, list(rates))
    axes.set_xlim(left=0)


def _accuracies(axes: Axes, result: BenchmarkResult) -> None:
    found = result.measurements
    for position, arm in enumerate(found.arms):
        percent = [100 * training.accuracy for training in found.trainings_of(arm.name)]
        axes.plot(
            percent, [position] * len(percent), linestyle="none", marker="o", markersize=5,
            color=_colour(arm.name), alpha=0.55,
        )  # fmt: skip
        mean = statistics.fmean(percent)
        axes.plot([mean] * 2, [position - 0.28, position + 0.28], color=_colour(arm.name), lw=2.5)
        axes.annotate(f"{mean:.1f}", (mean, position + 0.3), ha="center", va="bottom", fontsize=9)
    title = f"{found.split.capitalize()} accuracy, % (mean and each seed)"
    _dress(axes, title, [arm.name for arm in found.arms])
    axes.margins(x=0.15)


def _colour(arm: str) -> str:
    return next((colour for kind, colour in COLOURS.items() if arm.startswith(kind)), "#009E73")


def _dress(axes: Axes, title: str, arms: list[str]) -> None:
    axes.set_title(title, fontsize=11, loc="left")
    axes.set_yticks(range(len(arms)), arms, fontsize=10)
    axes.set_ylim(-0.6, len(arms) - 0.4)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
