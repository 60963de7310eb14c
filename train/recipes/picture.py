"""`recipe.png`: all trainings of a recipe on one axis of epochs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from augcli.train.pictures import TRAIN, VALIDATION, new_figure, save_figure
from augcli.train.record import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from augcli.train.recipes.running import Done, RecipeResult

SHADE = "#00000010"


def draw_recipe(path: Path, result: RecipeResult) -> None:
    """Loss and accuracy over all epochs; every second training is shaded."""
    figure = new_figure(width=12.0, height=7.0)
    panels = figure.subplots(2, 1, sharex=True)
    rows = [row for done in result.steps for row in done.result.rows]
    epochs = range(1, len(rows) + 1)
    _lines(panels[0], epochs, rows, "loss", "loss, nats")
    _lines(panels[1], epochs, rows, "accuracy", "accuracy")
    panels[1].set_xlabel("epochs, over all trainings")
    _mark_steps(panels, result.steps)
    _mark_best(panels[1], result)
    panels[0].legend(loc="upper right")
    figure.subplots_adjust(left=0.075, right=0.985, bottom=0.08, top=0.88, hspace=0.08)
    save_figure(figure, path)


def _lines(panel: Axes, epochs: Sequence[int], rows: Sequence[Row], what: str, label: str) -> None:
    train = [getattr(row, f"train_{what}") for row in rows]
    panel.plot(epochs, train, "o-", color=TRAIN, markersize=3, label="training, as seen")
    if all(row.val_loss is not None for row in rows):
        validation = [getattr(row, f"val_{what}") for row in rows]
        panel.plot(epochs, validation, "o-", color=VALIDATION, markersize=3, label="validation")
    panel.set_ylabel(label)
    panel.grid(alpha=0.25)


def _mark_steps(panels: Sequence[Axes], steps: Sequence[Done]) -> None:
    start = 0.5
    for number, done in enumerate(steps):
        end = start + len(done.result.rows)
        for panel in panels:
            if number % 2:
                panel.axvspan(start, end, color=SHADE, linewidth=0)
            panel.set_xlim(0.5, end)
        panels[0].text(
            (start + end) / 2,
            1.02,
            f"{done.step.name.replace('-', chr(10), 1)}\npeak lr {done.lr:.2g}",
            transform=panels[0].get_xaxis_transform(),
            ha="center",
            va="bottom",
            fontsize=8,
        )
        start = end


def _mark_best(panel: Axes, result: RecipeResult) -> None:
    best = result.best
    before = 0
    for done in result.steps:
        if done is best:
            break
        before += len(done.result.rows)
    if best.best.val_accuracy is not None:
        epoch = before + best.result.best_epoch
        panel.plot(epoch, best.best.val_accuracy, "*", color=VALIDATION, markersize=14)
        panel.annotate(
            f"kept: {best.best.val_accuracy:.1%}",
            (epoch, best.best.val_accuracy),
            textcoords="offset points",
            xytext=(0, -18),
            ha="center",
            fontsize=9,
        )
