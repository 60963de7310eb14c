"""Pictures of an evaluation: reliability, and the images that it is most confidently wrong of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from augcli.augment.decode import Pixels
from augcli.train.evaluation.measures import Calibration
from augcli.train.pictures import (
    NEUTRAL,
    TRAIN,
    VALIDATION,
    new_figure,
    readable_name,
    save_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 6
PICTURE_INCHES, TEXT_INCHES, TITLE_INCHES = 1.65, 0.7, 0.4


def draw_reliability(path: Path, calibration: Calibration, title: str) -> None:
    """Write `reliability.png`: accuracy by confidence, and how many images there are of each."""
    figure = new_figure(width=4.6, height=5.4)
    figure.set_layout_engine("constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.2, 1))
    bins = [part for part in calibration.bins if part.n]
    width = calibration.bins[0].high - calibration.bins[0].low
    middles = [(part.low + part.high) / 2 for part in bins]
    accuracies = [part.accuracy or 0.0 for part in bins]
    confidences = [part.confidence or 0.0 for part in bins]
    upper.plot([0, 1], [0, 1], color=NEUTRAL, linewidth=1, linestyle=":", label="calibrated")
    upper.bar(middles, accuracies, width=0.92 * width, color=TRAIN, alpha=0.85, label="accuracy")
    upper.plot(
        confidences, accuracies, linestyle="none", marker="o", markersize=4.5, color=VALIDATION,
        label="at mean confidence",
    )  # fmt: skip
    upper.set_ylabel("accuracy", fontsize=10)
    upper.set_ylim(0, 1.02)
    upper.set_title(title, fontsize=10, loc="left", parse_math=False)
    upper.legend(fontsize=8.5, loc="upper left", framealpha=0.9, edgecolor="none")
    lower.bar(middles, [part.n for part in bins], width=0.92 * width, color="#999999")
    lower.set_ylabel("images", fontsize=10)
    lower.set_xlabel("confidence: probability of the predicted class", fontsize=10)
    lower.set_xlim(0, 1)
    for axes in (upper, lower):
        dress(axes)
    save_figure(figure, path)


def dress(axes: Axes) -> None:
    """Horizontal lines and no box."""
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)


@dataclass(frozen=True)
class WrongImage:
    """An image taken for another class: `pixels` uint8 RGB (side, side, 3)."""

    pixels: Pixels
    file: str
    """The name of its file."""
    true: str
    predicted: str
    confidence: float
    """Probability of the predicted class."""


def draw_wrong(path: Path, images: Sequence[WrongImage], title: str) -> None:
    """Write `wrong.png`: images with what they are and what they were taken for."""
    rows = math.ceil(len(images) / COLUMNS)
    height = TITLE_INCHES + rows * (PICTURE_INCHES + TEXT_INCHES)
    figure = new_figure(width=COLUMNS * (PICTURE_INCHES + 0.1), height=height)
    figure.subplots_adjust(
        left=0.01, right=0.99, bottom=0.7 * TEXT_INCHES / height,
        top=1 - (TITLE_INCHES + 0.3 * TEXT_INCHES) / height,
        wspace=0.05, hspace=TEXT_INCHES / PICTURE_INCHES,
    )  # fmt: skip
    figure.suptitle(title, fontsize=11, x=0.01, y=1 - 0.1 / height, ha="left", parse_math=False)
    places = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in places:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
    for axes, image in zip(places, images, strict=False):
        axes.imshow(image.pixels, interpolation="nearest")
        axes.set_title(
            f"{readable_name(image.predicted)} {image.confidence:.2f}",
            fontsize=9, color=VALIDATION, parse_math=False, pad=3,
        )  # fmt: skip
        axes.set_xlabel(
            f"is {readable_name(image.true)}\n{readable_name(image.file)}",
            fontsize=8, parse_math=False, labelpad=3,
        )  # fmt: skip
    save_figure(figure, path)
