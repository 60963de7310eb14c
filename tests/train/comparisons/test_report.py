"""The report's files, and what is printed: all forms say the same, and need nothing else."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from augcli.augment.sheet import SheetRow, draw_sheet
from augcli.train.comparisons.analysis import analyse
from augcli.train.comparisons.benchmarking import BenchmarkResult
from augcli.train.comparisons.content import content, title_of
from augcli.train.comparisons.document import Drawn, to_markdown
from augcli.train.comparisons.drawing import DARK, LIGHT, comparison_halves, svg
from augcli.train.comparisons.measurements import Measurements
from augcli.train.comparisons.records import accuracy_records, csv_text, throughput_records
from augcli.train.comparisons.report import REPORT_FILES, write_report
from augcli.train.comparisons.summary import print_benchmark
from augcli.train.comparisons.tables import (
    accuracy_table,
    classes_table,
    costs_table,
    peers_table,
    policies_table,
    throughput_table,
)
from augcli.train.comparisons.verdict import verdict

HOSTILE = "<img src=x onerror=alert(1)> $x$ |a|"
VOID = ("meta", "img", "br")
VIEWS = draw_sheet("views", ["a"], [SheetRow("b", "", [np.zeros((16, 16, 3), np.uint8)])])


class Balanced(HTMLParser):
    """Every tag that opens is closed, and in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.images.append(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def hostile(make: Any) -> Measurements:
    """Few arms, and names that would be markup."""
    found: Measurements = make(
        copies=(2,), images=180, classes=("a", HOSTILE), dataset=HOSTILE, seeds=2, residual=False
    )
    return replace(found, gave_up=(f"{HOSTILE} is left out",))


@pytest.fixture(scope="module")
def written(hostile: Measurements, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    (folder / "policies.png").write_bytes(b"of an earlier report")
    write_report(folder, hostile, analyse(hostile), VIEWS)
    return folder


def test_one_file_that_needs_no_other(written: Path) -> None:
    text = (written / "report.html").read_text("utf-8")
    page = Balanced(text)
    assert page.open == []
    assert all((image["src"] or "").startswith("data:image/") for image in page.images)
    assert all(image["alt"] for image in page.images)
    assert len(page.images) == 2 * 3 + 1  # three drawings, light and dark, and the views
    assert not re.search(r"(src|href|url)\s*[=(]\s*[\"']?(http|//)", text)
    assert "default-src 'none'" in text
    assert any(HOSTILE in shown for shown in page.texts)
    assert "<img src=x" not in text


def test_markdown_says_the_same(written: Path, hostile: Measurements) -> None:
    text = (written / "report.md").read_text("utf-8")
    said = verdict(hostile, analyse(hostile))
    html = "".join(Balanced((written / "report.html").read_text("utf-8")).texts)
    for sentence in (said.headline, *said.warnings, *(each.text for each in said.findings)):
        assert sentence in text
        assert sentence in html
    for name in re.findall(r"\]\((\S+)\)", text):
        with Image.open(written / name) as picture:
            assert picture.width > 0
    assert "    " + hostile.command in text
    tables = [part.splitlines() for part in text.split("\n\n") if part.startswith("| ")]
    assert len(tables) >= 4
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table}) == 1


def test_files_of_the_report(written: Path) -> None:
    names = {path.name for path in written.iterdir()}
    assert names == set(REPORT_FILES) - {"policies.png"}  # an earlier one's picture is gone


def test_json_has_the_verdict_and_the_numbers(written: Path, hostile: Measurements) -> None:
    found = json.loads((written / "benchmark.json").read_text("utf-8"))
    said = verdict(hostile, analyse(hostile))
    assert found["verdict"]["headline"] == said.headline
    assert found["analysis"] == analyse(hostile).to_json()
    assert found["measurements"]["trainings"][0]["accuracy"] == hostile.trainings[0].accuracy
    assert "correct" not in found["measurements"]["trainings"][0]


def test_csv(written: Path, hostile: Measurements) -> None:
    rows = list(csv.DictReader(io.StringIO((written / "accuracy.csv").read_text("utf-8"))))
    assert len(rows) == len(hostile.trainings)
    assert float(rows[0]["accuracy"]) == pytest.approx(hostile.trainings[0].accuracy, abs=1e-6)
    rates = list(csv.DictReader(io.StringIO((written / "throughput.csv").read_text("utf-8"))))
    assert [row["arm"] for row in rates] == [*(arm.name for arm in hostile.arms), "step alone"]
    first = hostile.throughput.arms[0]
    assert float(rates[0]["training_views_per_second"]) == pytest.approx(
        first.training.median, abs=0.01
    )


def test_the_same_measurements_make_the_same_pictures(hostile: Measurements) -> None:
    analysis = analyse(hostile)
    parts = content(hostile, analysis, verdict(hostile, analysis), None)
    drawing = next(part.drawing for part in parts if isinstance(part, Drawn))
    assert svg(drawing, LIGHT) == svg(drawing, LIGHT)
    light, dark = svg(drawing, LIGHT), svg(drawing, DARK)
    assert LIGHT.paper.lower() in light.lower() and DARK.paper.lower() in dark.lower()
    assert LIGHT.fresh.lower() not in dark.lower()


def test_overlap_in_the_picture_is_what_the_interval_says() -> None:
    """A bar and the band touch where the difference is as large as its interval's half-width."""
    band, bars = comparison_halves([0.02, 0.05])
    assert (band + bars[0], band + bars[1]) == pytest.approx((0.02, 0.05))
    assert band > 0 and min(bars) > 0


def test_tables(make: Any) -> None:
    measurements = make(images=200)
    analysis = analyse(measurements)
    arms = [arm.name for arm in measurements.arms]
    assert [row[0] for row in accuracy_table(analysis)[1:]] == arms
    assert "lr" in accuracy_table(analysis)[0]
    assert [row[0] for row in throughput_table(measurements)[1:]] == [*arms, "(no data needed)"]
    assert "workers" not in throughput_table(measurements)[0]  # all had as many
    assert [row[0] for row in costs_table(analysis)[1:]] == [f"shards-{k}" for k in (1, 2, 5, 10)]
    assert policies_table(analysis)[1:] == []
    assert [row[0] for row in peers_table(measurements)[1:]] == [
        "imagefolder",
        "webdataset",
        "ffcv",
    ]
    for table in (accuracy_table(analysis), costs_table(analysis), classes_table(analysis)):
        assert {len(row) for row in table} == {len(table[0])}


def test_policies_in_the_report(make: Any) -> None:
    policies = ("rotate-flip", "autoaugment")
    measurements = make(policies=policies, copies=(1, 2), images=180, seeds=2)
    analysis = analyse(measurements)
    parts = content(measurements, analysis, verdict(measurements, analysis), None)
    text = to_markdown(title_of(measurements), parts)
    assert "## Policies" in text and "(policies.png)" in text
    rows = policies_table(analysis)[1:]
    assert [row[0] for row in rows] == ["none", *policies]
    for part in parts:
        if isinstance(part, Drawn):
            assert part.drawing(DARK).axes


@pytest.mark.parametrize("seeds", [1, 2])
def test_what_is_printed(make: Any, seeds: int) -> None:
    measurements = make(images=200, seeds=seeds, gave_up=("more epochs",))
    analysis, said = analyse(measurements), io.StringIO()
    console = Console(file=said, width=80, color_system=None)
    told = verdict(measurements, analysis)
    result = BenchmarkResult(Path("runs/benchmark"), measurements, analysis, told)
    print_benchmark(result, console)
    text = " ".join(said.getvalue().split())
    assert told.headline in text
    assert "runs/benchmark/report.html" in text
    assert "left out to keep within --budget: more epochs" in text
    assert "shards-5+residual" in text and "originals+on-the-fly" in text
    assert "…" not in text  # nothing is cut off on 80 columns


def test_records_of_what_was_not_measured(make: Any) -> None:
    measurements = make(images=180, copies=(1,), corrupted=False)
    arms = tuple(replace(a, cold=None, bytes_per_view=None) for a in measurements.throughput.arms)
    few = replace(measurements, throughput=replace(measurements.throughput, arms=arms))
    assert ",,,," in csv_text(throughput_records(few))
    assert "cold" not in " ".join(throughput_table(few)[0])
    assert all(row[6] == "" for row in accuracy_records(few)[1:])
