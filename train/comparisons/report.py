"""The benchmark's report: CSV and JSON for scripts, Markdown and a picture for people."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from augcli.manifests.files import write_atomic
from augcli.train.command import command_line
from augcli.train.comparisons.comparison import Interval, Measured
from augcli.train.comparisons.picture import draw_comparison

if TYPE_CHECKING:
    from augcli.train.comparisons.benchmarking import BenchmarkResult

Table = list[list[str]]

JSON_FILE, MARKDOWN_FILE, PICTURE_FILE = "benchmark.json", "benchmark.md", "benchmark.png"
THROUGHPUT_FILE, ACCURACY_FILE = "throughput.csv", "accuracy.csv"
REPORT_FILES = (JSON_FILE, MARKDOWN_FILE, PICTURE_FILE, THROUGHPUT_FILE, ACCURACY_FILE)


def write_report(result: BenchmarkResult) -> None:
    """Write all forms of the report into the benchmark's folder."""
    folder = result.folder
    write_atomic(folder / THROUGHPUT_FILE, csv_text(throughput_records(result)))
    write_atomic(folder / ACCURACY_FILE, csv_text(accuracy_records(result)))
    content = json.dumps(result.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    write_atomic(folder / JSON_FILE, content + "\n")
    draw_comparison(folder / PICTURE_FILE, result)
    write_atomic(folder / MARKDOWN_FILE, markdown(result))


def throughput_table(result: BenchmarkResult, spread: bool = True) -> Table:
    """The throughput table for people, units in the header; `spread` adds least and greatest."""

    def shown(rate: Measured) -> str:
        text = f"{rate.median:,.0f}"
        return f"{text} ({rate.least:,.0f}–{rate.greatest:,.0f})" if spread else text

    head = [
        "source",
        "source alone, images/s",
        "training, images/s",
        "waiting for data",
        "CPU, ms/view",
        "read, KB/view",
    ]
    rows = [
        [
            row.arm,
            shown(row.source),
            shown(row.training),
            f"{row.wait_share:.0%}",
            f"{row.cpu_ms_per_view:.2f}",
            f"{row.bytes_per_view / 1000:.1f}",
        ]
        for row in result.throughput.arms
    ]
    return [
        head,
        *rows,
        ["(one batch repeated)", "", shown(result.throughput.synthetic), "", "", ""],
    ]


def accuracy_table(result: BenchmarkResult) -> Table:
    """The accuracy table for people, in percent and percentage points."""
    head = [
        "source",
        f"{result.split} accuracy, %",
        "against on the fly, points",
        "by seed, %",
        "epoch, s",
    ]
    rows = [
        [
            row.arm,
            _percent(row.summary),
            "" if row.arm == "on-the-fly" else _points(result.difference_of(row.arm)),
            " ".join(f"{100 * accuracy:.1f}" for accuracy in row.accuracies),
            f"{row.epoch_seconds:.2f}",
        ]
        for row in result.accuracy
    ]
    return [head, *rows]


def throughput_records(result: BenchmarkResult) -> Table:
    """The throughput table for scripts: full numbers, one column each."""
    head = [
        "source",
        "source_images_per_second",
        "source_least",
        "source_greatest",
        "training_images_per_second",
        "training_least",
        "training_greatest",
        "wait_share",
        "cpu_ms_per_view",
        "bytes_per_view",
    ]
    rows = [
        [
            row.arm,
            *_numbers(row.source),
            *_numbers(row.training),
            f"{row.wait_share:.4f}",
            f"{row.cpu_ms_per_view:.4f}",
            f"{row.bytes_per_view:.1f}",
        ]
        for row in result.throughput.arms
    ]
    synthetic = [
        "one batch repeated",
        "",
        "",
        "",
        *_numbers(result.throughput.synthetic),
        "0",
        "",
        "",
    ]
    return [head, *rows, synthetic]


def accuracy_records(result: BenchmarkResult) -> Table:
    """The accuracies for scripts: one line for each training."""
    head = ["source", "seed", "split", "images", "accuracy"]
    return [
        head,
        *(
            [row.arm, str(seed), result.split, str(result.test_images), f"{accuracy:.6f}"]
            for row in result.accuracy
            for seed, accuracy in enumerate(row.accuracies)
        ),
    ]


def markdown(result: BenchmarkResult) -> str:
    """The report as Markdown."""
    manifest = result.expansion.manifest
    assert manifest is not None
    machine = result.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    config = result.config
    lines = [
        f"# Augment ahead of time, or on the fly? {manifest.reference.name}",
        "",
        "## Verdict",
        "",
        *(f"- {sentence}" for sentence in result.verdict),
        "",
        "## Throughput",
        "",
        *_markdown_table(throughput_table(result)),
        "",
        "Medians of three measurements in turns (least to greatest). Training is bounded by the "
        "rate on one batch repeated, which needs no data. CPU time is that of one core. Decoded "
        "images are not kept in memory, which small data would all fit.",
        "",
        "## Accuracy",
        "",
        *_markdown_table(accuracy_table(result)),
        "",
        f"{result.test_images} {result.split} images, {config.seeds} seeds, {config.epochs} epochs "
        "each, the checkpoint best on validation. ± is the 95 % interval over seeds (Student's); "
        "differences are paired by seed: same initial weights, same order, same evaluation. The "
        "learning rate is shared by all arms.",
        "",
        f"![throughput and accuracy]({PICTURE_FILE})",
        "",
        "## How it was measured",
        "",
        f"- data: {manifest.reference.name}, {manifest.splits['train'].samples} training images, "
        f"{len(manifest.classes)} classes, {config.size} x {config.size} pixels",
        f"- policy: {manifest.options['policy']}; {manifest.rounds} stored rounds "
        f"({config.copies} copies and the originals), {manifest.options['codec']}",
        f"- model: {config.model}",
        f"- machine: {machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"{machine['cuda'] or 'no GPU'}; {machine['system']}",
        f"- versions: Python {machine['python']}, {versions}",
        f"- command: `{command_line('benchmark', config)}`",
        "",
    ]
    return "\n".join(lines)


def csv_text(table: Table) -> str:
    """A table as CSV: a header and a line for each row."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    return text.getvalue()


def _markdown_table(table: Table) -> Sequence[str]:
    head, *rows = table
    rule = ["---", *("---:" for _ in head[1:])]
    return ["| " + " | ".join(cells) + " |" for cells in (head, rule, *rows)]


def _numbers(rate: Measured) -> list[str]:
    return [f"{rate.median:.2f}", f"{rate.least:.2f}", f"{rate.greatest:.2f}"]


def _percent(value: Interval) -> str:
    return _with_half_width(f"{100 * value.mean:.1f}", value)


def _points(value: Interval) -> str:
    return _with_half_width(f"{100 * value.mean:+.1f}", value)


def _with_half_width(text: str, value: Interval) -> str:
    if value.half_width is None:
        return text
    return f"{text} ± {100 * value.half_width:.1f}"
