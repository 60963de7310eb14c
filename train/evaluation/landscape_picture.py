"""The picture of landscapes: curves of all runs in one panel, a contour map for each run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from augcli.train.evaluation.pictures import dress
from augcli.train.pictures import TRAIN, VALIDATION, new_figure, readable_name, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.contour import QuadContourSet

    from augcli.train.evaluation.landscape_result import LandscapeResult, Losses

COLOURS = (TRAIN, VALIDATION)
STYLES = ("-", "--")
LEVELS = 15
CEILING = 2.0
"""Times the loss of guessing: what is worse than that says nothing, and is cut off."""


def draw_landscape(path: Path, result: LandscapeResult) -> None:
    """Write the picture."""
    planes = [(found.name, found.plane) for found in result.landscapes if found.plane is not None]
    figure = new_figure(width=4.8 + 3.9 * len(planes), height=4.0)
    figure.set_layout_engine("constrained")
    widths = [1.15, *[1.0] * len(planes)]
    lines, *maps = figure.subplots(1, len(widths), squeeze=False, width_ratios=widths)[0]
    _draw_lines(lines, result)
    if planes:
        levels = _levels([plane for _, plane in planes], CEILING * result.guessing)
        for panel, (name, plane) in zip(maps, planes, strict=True):
            shades = _draw_plane(panel, name, plane, result.plane_steps, levels)
        bar = figure.colorbar(shades, ax=maps, shrink=0.9, pad=0.02, format="%.2f")
        bar.set_label("training loss, nats", fontsize=9)
        bar.ax.tick_params(labelsize=8)
    save_figure(figure, path)


def _draw_lines(axes: Axes, result: LandscapeResult) -> None:
    for found, colour in zip(result.landscapes, COLOURS, strict=False):
        for (split, losses), style in zip(found.lines.items(), STYLES, strict=False):
            axes.plot(
                result.line_steps, losses,
                color=colour, linestyle=style, linewidth=1.7,
                label=f"{readable_name(found.name)}, {split}",
            )  # fmt: skip
    axes.set_ylim(bottom=0, top=min(axes.get_ylim()[1], CEILING * result.guessing))
    axes.locator_params(axis="x", nbins=5)
    axes.set_title("Loss along one direction, nats", fontsize=10, loc="left")
    axes.set_xlabel("distance, in norms of each filter", fontsize=9)
    legend = axes.legend(
        fontsize=8, loc="upper left", bbox_to_anchor=(-0.1, -0.18), ncols=2, frameon=False
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    dress(axes)


def _levels(planes: Sequence[Losses], ceiling: float) -> Losses:
    """The same for all planes: evenly spaced from the least loss to the greatest, or `ceiling`."""
    losses = np.concatenate([plane.ravel() for plane in planes])
    losses = losses[np.isfinite(losses)]
    least = float(losses.min(initial=ceiling))
    most = min(float(losses.max(initial=0.0)), ceiling)
    return np.linspace(least, max(most, least + 1e-3), LEVELS)


def _draw_plane(
    axes: Axes, name: str, plane: Losses, steps: Losses, levels: Losses
) -> QuadContourSet:
    inside = np.where(np.isfinite(plane), plane, 10 * levels[-1])
    shades = axes.contourf(steps, steps, inside, levels, cmap="viridis_r", extend="both")
    axes.contour(steps, steps, inside, levels, colors="white", linewidths=0.5, alpha=0.7)
    axes.plot([0], [0], marker="+", markersize=9, markeredgewidth=1.6, color=VALIDATION)
    axes.set_title(readable_name(name), fontsize=10, loc="left", parse_math=False)
    axes.set_xlabel("first direction", fontsize=9)
    axes.set_ylabel("second direction", fontsize=9)
    axes.set_aspect("equal")
    axes.locator_params(nbins=5)
    axes.tick_params(labelsize=8)
    return shades
