"""Pictures of a run, drawn with matplotlib's object API: no pyplot, no global state.

The same input gives the same file with the same matplotlib.
"""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from augcli.manifests.files import write_atomic
from augcli.train.metrics import Counts
from augcli.train.record import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

TRAIN, VALIDATION, NEUTRAL = "#0072B2", "#D55E00", "#555555"
"""Blue and vermilion of Okabe and Ito's palette, which colour-blind readers tell apart."""

BANDS = ("#F0F4F8", "#FFFFFF")
"""Behind curves, by turns."""

MAX_COUNTED_CLASSES = 30
"""With more classes the cells are too small for numbers."""
MAX_NAMED_CLASSES = 100
MAX_NAME_LENGTH = 24

DPI = 120

PAUSE_SECONDS = 5.0
"""Drawing takes a fifth of a second, as long as an epoch of a tiny run: not after each of them."""


class LiveCurves:
    """Within `with`, `curves.png` follows the run: never older than an epoch or a few seconds.

    At the end of the block, whatever ends it, the picture shows the last row.
    """

    def __init__(self, path: Path, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._path = path
        self._pause_seconds = pause_seconds
        self._drawn_at = time.monotonic()
        self._waiting: tuple[Sequence[Row], int] | None = None

    def __enter__(self) -> LiveCurves:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._draw()

    def show(self, rows: Sequence[Row], best_epoch: int) -> None:
        """Draw the curves of `rows` now, or soon if the last drawing was just now."""
        self._waiting = (tuple(rows), best_epoch)
        if time.monotonic() - self._drawn_at >= self._pause_seconds:
            self._draw()

    def _draw(self) -> None:
        if self._waiting is not None:
            draw_curves(self._path, *self._waiting)
            self._drawn_at, self._waiting = time.monotonic(), None


def draw_curves(path: Path, rows: Sequence[Row], best_epoch: int) -> None:
    """Write `curves.png`: losses, accuracies and learning rate over the epochs in `rows`."""
    figure = new_figure(width=12.0, height=3.8)
    # Fixed margins: this is drawn after every epoch, and to find them takes twice the time.
    figure.subplots_adjust(left=0.045, right=0.985, bottom=0.14, top=0.91, wspace=0.2)
    losses, accuracies, rates = figure.subplots(1, 3)
    epochs = [row.epoch for row in rows]
    best = rows[best_epoch - 1]
    _line(losses, epochs, [row.train_loss for row in rows], "training", TRAIN)
    _line(losses, epochs, [row.val_loss for row in rows], "validation", VALIDATION)
    _line(accuracies, epochs, [row.train_accuracy for row in rows], "training", TRAIN)
    _line(accuracies, epochs, [row.val_accuracy for row in rows], "validation", VALIDATION)
    _line(rates, epochs, [row.lr for row in rows], "last step of the epoch", NEUTRAL)
    _mark(losses, best.epoch, best.val_loss, best.train_loss)
    _mark(accuracies, best.epoch, best.val_accuracy, best.train_accuracy)
    _dress(losses, "Loss (cross-entropy, nats)", best.epoch)
    _dress(accuracies, "Accuracy", best.epoch)
    _dress(rates, "Learning rate", best.epoch)
    losses.set_ylim(bottom=0)
    accuracies.set_ylim(0, 1)
    rates.set_ylim(bottom=0)
    for axes in (losses, accuracies, rates):
        _mark_sizes(axes, rows, named=axes is rates)
    rates.locator_params(axis="y", nbins=5)
    rates.yaxis.set_major_formatter("{x:.3g}")
    losses.legend(fontsize=9, loc="best", framealpha=0.9, edgecolor="none")
    accuracies.legend(fontsize=9, loc="best", framealpha=0.9, edgecolor="none")
    save_figure(figure, path)


def _line(
    axes: Axes, epochs: Sequence[int], values: Sequence[float | None], label: str, colour: str
) -> None:
    if any(value is None for value in values):
        return
    marker = "o" if len(epochs) == 1 else None
    axes.plot(
        epochs, [value for value in values if value is not None],
        label=label, color=colour, linewidth=1.8, marker=marker, markersize=5,
    )  # fmt: skip


def _mark(axes: Axes, epoch: int, validation: float | None, train: float) -> None:
    """A ring around the best epoch's value, with the number in the legend."""
    value, colour = (train, TRAIN) if validation is None else (validation, VALIDATION)
    axes.plot(
        [epoch], [value], linestyle="none", marker="o", markersize=8,
        markerfacecolor="white", markeredgecolor=colour, markeredgewidth=1.8,
        label=f"best.pt, epoch {epoch}: {value:.3f}", zorder=5,
    )  # fmt: skip


def _mark_sizes(axes: Axes, rows: Sequence[Row], named: bool) -> None:
    """A band for the epochs of each size of images, where there are several."""
    sizes = [row.size for row in rows]
    stages = list(dict.fromkeys(sizes))
    if len(stages) == 1:
        return
    for number, size in enumerate(stages):
        first = rows[sizes.index(size)].epoch
        after = first + sizes.count(size)
        axes.axvspan(first - 0.5, after - 0.5, color=BANDS[number % 2], linewidth=0, zorder=-1)
        if named:
            place = ((first + after - 1) / 2, 0.985)
            axes.annotate(
                f"{size} px", place, xycoords=("data", "axes fraction"), ha="center", va="top",
                fontsize=9, color=NEUTRAL,
            )  # fmt: skip
    axes.set_xlim(rows[0].epoch - 0.5, rows[-1].epoch + 0.5)
    if named:
        axes.set_ylim(top=1.1 * axes.get_ylim()[1])


def _dress(axes: Axes, title: str, best_epoch: int) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(title, fontsize=11, loc="left")
    axes.set_xlabel("epoch", fontsize=10)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.axvline(best_epoch, color=NEUTRAL, linewidth=0.9, linestyle=":", zorder=0)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)


def draw_confusion(path: Path, confusion: Counts, classes: Sequence[str], title: str) -> None:
    """Write `confusion.png` of `confusion` (classes, classes), whose rows are true classes.

    Colour is the share of the row, so the diagonal shows recall; numbers are counts.
    """
    count = len(classes)
    totals = confusion.sum(axis=1, keepdims=True)
    shares = confusion / np.maximum(totals, 1)
    names = [readable_name(name) for name in classes]
    longest = max(map(len, names)) if count <= MAX_NAMED_CLASSES else 4
    cells = min(max(0.46 * count, 2.6), 14.0)
    margin = 0.09 * longest + 0.9
    figure = new_figure(width=cells + margin + 1.0, height=cells + margin)
    figure.set_layout_engine("constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0, interpolation="nearest")
    if count <= MAX_COUNTED_CLASSES:
        _write_counts(axes, confusion, shares)
    _name_classes(axes, names)
    axes.set_xlabel("predicted", fontsize=10)
    axes.set_ylabel("true", fontsize=10)
    axes.set_title(title, fontsize=10, loc="left", pad=8, parse_math=False)
    _write_scale(figure, axes, image)
    save_figure(figure, path)


def _write_counts(axes: Axes, confusion: Counts, shares: np.ndarray[Any, Any]) -> None:
    for row, column in np.ndindex(confusion.shape):
        count = int(confusion[row, column])
        if count:
            colour = "white" if shares[row, column] > 0.55 else "#222222"
            size = 9 if count < 1000 else 7
            axes.text(column, row, str(count), ha="center", va="center", color=colour, size=size)


def _name_classes(axes: Axes, names: list[str]) -> None:
    if len(names) > MAX_NAMED_CLASSES:
        return  # indices, as matplotlib spaces them
    size = 9 if len(names) <= MAX_COUNTED_CLASSES else 6
    positions = range(len(names))
    # A dollar sign in a class name is no formula.
    axes.set_xticks(positions, names, rotation=90, fontsize=size, parse_math=False)
    axes.set_yticks(positions, names, fontsize=size, parse_math=False)
    axes.tick_params(length=0)


def _write_scale(figure: Figure, axes: Axes, image: AxesImage) -> None:
    bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.03, fraction=0.06, aspect=25)
    bar.set_label("share of the true class", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)


def readable_name(name: str, length: int = MAX_NAME_LENGTH) -> str:
    """`name` on one line, and with its middle left out if it is longer than a picture can show."""
    line = "".join(letter if letter.isprintable() else "�" for letter in name)
    if len(line) <= length:
        return line
    half = (length - 1) // 2
    return f"{line[:half]}…{line[-half:]}"


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that size in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, facecolor="white")


def save_figure(figure: Figure, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    picture = io.BytesIO()
    with warnings.catch_warnings():
        # Class names may be in a script that no installed font has; boxes are then all we can do.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        # Without matplotlib's version in it the file depends on what is drawn only.
        figure.savefig(picture, format="png", metadata={"Software": None})
    write_atomic(path, picture.getvalue())
