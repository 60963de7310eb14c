"""The tables of a benchmark for scripts: full numbers, one column each, as CSV."""

from __future__ import annotations

import csv
import io

from augcli.train.comparisons.measurements import Measurements, Repeated
from augcli.train.comparisons.tables import Table


def csv_text(table: Table) -> str:
    """A table as CSV: a header and a line for each row."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    return text.getvalue()


def throughput_records(measurements: Measurements) -> Table:
    """One line for each arm, and one for the step alone."""
    head = ["arm", "workers"]
    head += [f"{what}_{of}" for what in ("source", "cold", "training") for of in _REPEATED]
    head += ["wait_share", "cpu_seconds_per_view", "bytes_per_view"]
    rows = [
        [
            row.arm,
            str(row.workers),
            *_numbers(row.source),
            *_numbers(row.cold),
            *_numbers(row.training),
            f"{row.wait_share:.4f}",
            f"{row.cpu_seconds_per_view:.6f}",
            "" if row.bytes_per_view is None else f"{row.bytes_per_view:.1f}",
        ]
        for row in measurements.throughput.arms
    ]
    nothing = _numbers(None)
    bound = ["step alone", "", *nothing, *nothing, *_numbers(measurements.throughput.bound)]
    return [head, *rows, [*bound, "0", "", ""]]


def accuracy_records(measurements: Measurements) -> Table:
    """One line for each training."""
    head = ["arm", "seed", "split", "images", "accuracy", "log_loss", "corrupted", "lr", "epochs"]
    return [
        [*head, "seconds"],
        *(
            [
                training.arm,
                str(training.seed),
                measurements.split,
                str(measurements.test_images),
                f"{training.accuracy:.6f}",
                f"{training.log_loss:.6f}",
                "" if training.corrupted is None else f"{training.corrupted:.6f}",
                f"{training.lr:.6g}",
                str(training.epochs),
                f"{training.seconds:.2f}",
            ]
            for training in measurements.trainings
        ),
    ]


_REPEATED = ("views_per_second", "least", "greatest")


def _numbers(rate: Repeated | None) -> list[str]:
    if rate is None:
        return ["", "", ""]
    return [f"{rate.median:.2f}", f"{rate.least:.2f}", f"{rate.greatest:.2f}"]
