"""The benchmark's report: CSV and JSON for scripts, Markdown and a picture for people."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from augcli.manifests.files import write_atomic
from augcli.train.comparisons.comparison import (
    Finding,
    Interval,
    Measured,
    interval,
    paired_difference,
    verdict,
)
from augcli.train.comparisons.measurements import FRESH, NONE, SHARDS, Measurements, Repeated
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


def sentences(found: Measurements) -> list[str]:
    """The verdict on none, on the fly and the most copies; nothing where one of them is missing."""
    arms = {
        kind: next((a for a in reversed(found.arms) if a.source == kind and not a.residual), None)
        for kind in (NONE, FRESH, SHARDS)
    }
    names = {kind: arm.name for kind, arm in arms.items() if arm is not None}
    stored = arms[SHARDS]
    expansion = found.expansion_of(stored) if stored is not None else None
    if len(names) < len(arms) or expansion is None:
        return []
    rates = {kind: found.throughput.of(name) for kind, name in names.items()}
    return verdict(
        Finding(
            source_rates={kind: _measured(rate.source) for kind, rate in rates.items()},
            training_rates={kind: _measured(rate.training) for kind, rate in rates.items()},
            wait_shares={kind: rate.wait_share for kind, rate in rates.items()},
            accuracies={kind: accuracies_of(found, name) for kind, name in names.items()},
            expansion_seconds=expansion.seconds,
            samples=found.train_images,
            rounds=expansion.rounds,
            epochs=found.trainings[0].epochs,
            disk_bytes=expansion.disk_bytes,
            test_images=found.test_images,
        )
    )


def accuracies_of(found: Measurements, arm: str) -> list[float]:
    """By seed."""
    return [training.accuracy for training in found.trainings_of(arm)]


def _measured(rate: Repeated) -> Measured:
    return Measured.of(rate.values)


def _baseline(found: Measurements) -> str:
    return next((arm.name for arm in found.arms if arm.source == FRESH), found.arms[0].name)


def throughput_table(result: BenchmarkResult, spread: bool = True) -> Table:
    """The throughput table for people, units in the header; `spread` adds least and greatest."""

    throughput = result.measurements.throughput

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
            shown(_measured(row.source)),
            shown(_measured(row.training)),
            f"{row.wait_share:.0%}",
            f"{1000 * row.cpu_seconds_per_view:.2f}",
            f"{(row.bytes_per_view or 0) / 1000:.1f}",
        ]
        for row in throughput.arms
    ]
    return [
        head,
        *rows,
        ["(one batch repeated)", "", shown(_measured(throughput.bound)), "", "", ""],
    ]


def accuracy_table(result: BenchmarkResult) -> Table:
    """The accuracy table for people, in percent and percentage points."""
    found = result.measurements
    baseline = _baseline(found)
    head = [
        "source",
        f"{found.split} accuracy, %",
        "against on the fly, points",
        "by seed, %",
    ]
    rows = [
        [
            arm.name,
            _percent(interval(accuracies_of(found, arm.name))),
            "" if arm.name == baseline else _points(_difference(found, arm.name)),
            " ".join(f"{100 * accuracy:.1f}" for accuracy in accuracies_of(found, arm.name)),
        ]
        for arm in found.arms
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
            *_numbers(_measured(row.source)),
            *_numbers(_measured(row.training)),
            f"{row.wait_share:.4f}",
            f"{1000 * row.cpu_seconds_per_view:.4f}",
            f"{row.bytes_per_view or 0:.1f}",
        ]
        for row in result.measurements.throughput.arms
    ]
    synthetic = [
        "one batch repeated",
        "",
        "",
        "",
        *_numbers(_measured(result.measurements.throughput.bound)),
        "0",
        "",
        "",
    ]
    return [head, *rows, synthetic]


def accuracy_records(result: BenchmarkResult) -> Table:
    """The accuracies for scripts: one line for each training."""
    head = ["source", "seed", "split", "images", "accuracy"]
    found = result.measurements
    return [
        head,
        *(
            [t.arm, str(t.seed), found.split, str(found.test_images), f"{t.accuracy:.6f}"]
            for t in found.trainings
        ),
    ]


def _difference(found: Measurements, arm: str) -> Interval:
    return paired_difference(accuracies_of(found, arm), accuracies_of(found, _baseline(found)))


def markdown(result: BenchmarkResult) -> str:
    """The report as Markdown."""
    found = result.measurements
    machine, config = found.machine, found.config
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [
        f"# Augment ahead of time, or on the fly? {found.dataset}",
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
        f"{found.test_images} {found.split} images, the checkpoint best on validation. ± is the "
        "95 % interval over seeds (Student's); differences are paired by seed: same initial "
        "weights, same order, same evaluation.",
        "",
        *(f"Given up for --budget: {line}." for line in found.gave_up),
        "",
        f"![throughput and accuracy]({PICTURE_FILE})",
        "",
        "## How it was measured",
        "",
        f"- data: {found.dataset}, {found.train_images} training images, "
        f"{len(found.classes)} classes, {config['size']} x {config['size']} pixels",
        f"- policies: {', '.join(found.policies)}",
        f"- model: {config['model']}",
        f"- machine: {machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"{machine['cuda'] or 'no GPU'}; {machine['system']}",
        f"- versions: Python {machine['python']}, {versions}",
        f"- command: `{found.command}`",
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
