"""The benchmark's report: HTML and Markdown with pictures for people, JSON and CSV for scripts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from augcli.manifests.files import write_atomic
from augcli.train.comparisons.analysis import Analysis
from augcli.train.comparisons.content import PICTURE_FILES, content, title_of
from augcli.train.comparisons.document import Drawn, Part, Sheet, to_html, to_markdown
from augcli.train.comparisons.drawing import save_png
from augcli.train.comparisons.measurements import Measurements
from augcli.train.comparisons.plain import to_plain
from augcli.train.comparisons.records import accuracy_records, csv_text, throughput_records
from augcli.train.comparisons.verdict import verdict

HTML_FILE, MARKDOWN_FILE, JSON_FILE = "report.html", "report.md", "benchmark.json"
THROUGHPUT_CSV, ACCURACY_CSV = "throughput.csv", "accuracy.csv"
REPORT_FILES = (
    HTML_FILE,
    MARKDOWN_FILE,
    JSON_FILE,
    THROUGHPUT_CSV,
    ACCURACY_CSV,
    *PICTURE_FILES,
)


def write_report(
    folder: Path, measurements: Measurements, analysis: Analysis, views: bytes | None = None
) -> None:
    """Write all forms of the report; `views` is a PNG of sample views.

    Raises:
        OSError: a file can't be written.
    """
    said = verdict(measurements, analysis)
    title, parts = title_of(measurements), content(measurements, analysis, said, views)
    write_pictures(folder, parts, PICTURE_FILES)
    write_atomic(folder / THROUGHPUT_CSV, csv_text(throughput_records(measurements)))
    write_atomic(folder / ACCURACY_CSV, csv_text(accuracy_records(measurements)))
    text = json.dumps(as_json(measurements, analysis), indent=1, ensure_ascii=False)
    write_atomic(folder / JSON_FILE, text + "\n")
    write_atomic(folder / MARKDOWN_FILE, to_markdown(title, parts))
    write_atomic(folder / HTML_FILE, to_html(title, parts))


def write_pictures(folder: Path, parts: Sequence[Part], names: Sequence[str]) -> None:
    """Write the pictures of a report; those of `names` that it has not are removed."""
    shown = {part.file: part for part in parts if isinstance(part, Drawn | Sheet)}
    for name in names:
        part = shown.get(name)
        if isinstance(part, Drawn):
            save_png(folder / name, part.drawing)
        elif isinstance(part, Sheet):
            write_atomic(folder / name, part.png)
        else:
            (folder / name).unlink(missing_ok=True)


def as_json(measurements: Measurements, analysis: Analysis) -> dict[str, Any]:
    """The object of `benchmark.json` and of `--json`.

    The measurements are all but what was recognised image by image, which `measurements.json` has.
    """
    measured = measurements.to_json()
    del measured["labels"]
    for training in measured["trainings"]:
        del training["correct"]
    said = to_plain(verdict(measurements, analysis))
    return {"verdict": said, "analysis": analysis.to_json(), "measurements": measured}
