"""A sweep's results: CSV and JSON for scripts, pictures and tables for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augcli.manifests.files import write_atomic
from augcli.train.comparisons.records import csv_text
from augcli.train.comparisons.tables import Table
from augcli.train.sweeps.course import Ended
from augcli.train.sweeps.curves_picture import draw_curves
from augcli.train.sweeps.lr_picture import draw_rates
from augcli.train.sweeps.space import text_of

if TYPE_CHECKING:
    from augcli.train.sweeps.result import SweepResult

JSON_FILE, CSV_FILE = "sweep.json", "sweep.csv"
CURVES_FILE, RATES_FILE = "curves.png", "lr.png"
FORMAT, VERSION = "augcli-sweep", 1


def write_json(folder: Path, content: dict[str, Any]) -> None:
    """`sweep.json`: by it a folder is known as a sweep's."""
    whole = {"format": FORMAT, "version": VERSION, **content}
    text = json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomic(folder / JSON_FILE, text + "\n")


def write_report(result: SweepResult) -> None:
    """Write all forms of the results into the sweep's folder."""
    write_json(result.folder, result.to_json())
    write_atomic(result.folder / CSV_FILE, csv_text(_records(result)))
    if any(each.outcome.rows for each in result.ended):
        draw_curves(result.folder / CURVES_FILE, result)
    if result.ended and "lr" in result.space.factors:
        draw_rates(result.folder / RATES_FILE, result)


def pictures_of(result: SweepResult) -> list[Path]:
    """The pictures of the results that are there."""
    paths = [result.folder / name for name in (CURVES_FILE, RATES_FILE)]
    return [path for path in paths if path.exists()]


def _records(result: SweepResult) -> Table:
    """One line for each training, with full numbers."""
    names = list(result.space.factors)
    head = [
        *names,
        *("seed", "state", "epochs", "best_epoch", "val_accuracy", "val_loss", "val_images"),
        *("test_accuracy", "seconds", "folder"),
    ]
    ended = [each for standing in result.standings for each in standing.ended]
    return [head, *(_record(each, names, result.folder) for each in ended)]


def _record(ended: Ended, names: Sequence[str], folder: Path) -> list[str]:
    trial, outcome, measured = ended.trial, ended.outcome, ended.outcome.measured
    numbers = [""] * 5
    if measured is not None:
        test = measured.test_accuracy
        numbers = [
            str(measured.best_epoch),
            f"{measured.val_accuracy:.6f}",
            f"{measured.val_loss:.6f}",
            str(measured.val_images),
            "" if test is None else f"{test:.6f}",
        ]
    return [
        *(text_of(name, trial.values[name]) if name in trial.values else "" for name in names),
        str(trial.seed),
        outcome.state,
        str(len(outcome.rows)),
        *numbers,
        f"{sum(row.seconds for row in outcome.rows):.2f}",
        str(trial.folder.relative_to(folder)),
    ]
