"""Pictures of robustness: accuracy by severity, and one image under every corruption."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from augcli.augment.corruptions.registry import CORRUPTIONS, corrupted
from augcli.augment.corruptions.severities import SEVERITIES
from augcli.augment.decode import Pixels
from augcli.augment.sheet import SheetRow, draw_sheet
from augcli.manifests.files import write_atomic
from augcli.train.evaluation.pictures import dress
from augcli.train.evaluation.robustness import Robustness
from augcli.train.pictures import NEUTRAL, new_figure, save_figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
"""Of Okabe and Ito's palette: at most four corruptions share a panel."""
TILE = 120
"""Side of a picture in the sheet, in pixels, or the multiple of a small image's next to it."""
MARKERS = ("o", "s", "^", "D")


def draw_robustness(path: Path, robustness: Robustness, chance: float) -> None:
    """Write `corruptions.png`: a panel for each group, a curve for each corruption.

    `chance` is the accuracy of always naming the most frequent class.
    """
    groups = robustness.by_group
    figure = new_figure(width=3.1 * len(groups) + 0.4, height=3.4)
    figure.set_layout_engine("constrained")
    panels = figure.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    for panel, (group, mean) in zip(panels, groups.items(), strict=True):
        rows = [
            (name, row)
            for name, row in zip(robustness.names, robustness.accuracies, strict=True)
            if CORRUPTIONS[name].group == group
        ]
        for (name, row), colour, marker in zip(rows, COLOURS, MARKERS, strict=False):
            panel.plot(
                (0, *SEVERITIES), (robustness.clean, *row), label=name, color=colour,
                marker=marker, markersize=4, linewidth=1.6,
            )  # fmt: skip
        panel.axhline(chance, color=NEUTRAL, linewidth=0.9, linestyle=":", zorder=0)
        panel.set_title(f"{group}: mean {mean:.3f}", fontsize=10, loc="left")
        panel.set_xlabel("severity", fontsize=10)
        panel.set_xticks((0, *SEVERITIES), ("none", *map(str, SEVERITIES)))
        panel.legend(fontsize=8, loc="lower left", framealpha=0.85, edgecolor="none")
        dress(panel)
    panels[0].set_ylabel("accuracy (dotted: always the commonest class)", fontsize=8.5)
    panels[0].set_ylim(0, 1)
    save_figure(figure, path)


def draw_example(
    path: Path,
    robustness: Robustness,
    image: Pixels,
    key: str,
    classes: Sequence[str],
    truth: str,
) -> None:
    """Write `corrupted.png`: `image` (side, side, 3) under all, with what was predicted of each."""
    captions = [f"{classes[label]} {share:.2f}" for label, share in robustness.example.predicted]
    times = max(1, round(TILE / image.shape[0]))
    rows = []
    for number, name in enumerate(robustness.names):
        tiles = [corrupted(image, name, severity, key) for severity in SEVERITIES]
        under = captions[number * len(SEVERITIES) :][: len(SEVERITIES)]
        shown = [pixels.repeat(times, axis=0).repeat(times, axis=1) for pixels in (image, *tiles)]
        rows.append(SheetRow(name, CORRUPTIONS[name].group, shown, ["", *under]))
    title = f"{truth}, and what it is taken for: {robustness.calibration}'s severities"
    columns = ["plain", *(f"severity {number}" for number in SEVERITIES)]
    write_atomic(path, draw_sheet(title, columns, rows, max_tile=TILE))
