"""What `augcli benchmark` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from augcli.train.comparisons.next_commands import next_commands
from augcli.train.comparisons.report import HTML_FILE, MARKDOWN_FILE
from augcli.train.comparisons.tables import (
    accuracy_table,
    costs_table,
    peers_table,
    policies_table,
    throughput_table,
)
from augcli.train.comparisons.verdict import Verdict
from augcli.train.comparisons.wording import split_name
from augcli.train.printing import print_line, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from augcli.train.comparisons.benchmarking import BenchmarkResult


def print_benchmark(result: BenchmarkResult, console: Console) -> None:
    """The tables, the verdict, and where the report is."""
    folder, measurements, analysis = result.folder, result.measurements, result.analysis
    images = f"{split_name(measurements.split)} images"
    tables = {
        "Throughput": throughput_table(measurements, brief=True),
        "Cost of storing": costs_table(analysis, brief=True),
        f"Accuracy on {images}": accuracy_table(analysis, brief=True),
        "Policies": policies_table(analysis, brief=True),
        "Other libraries": peers_table(measurements, brief=True),
    }
    for title, rows in tables.items():
        if len(rows) > 1:
            print_table(title, rows, console)
    print_verdict(result.verdict, measurements.gave_up, console)
    print_line("", console)
    if result.verdict.arm is not None:
        for command in next_commands(measurements, analysis, result.verdict.arm):
            print_line(f"then        {command}", console)
    print_line(f"look at     {folder / HTML_FILE}, {folder / MARKDOWN_FILE}", console)


def print_verdict(said: Verdict, gave_up: tuple[str, ...], console: Console) -> None:
    """What to do, why, and what to beware of."""
    print_line(said.headline, console, wrapped=True)
    print_line("", console)
    for finding in said.findings:
        print_line(f"• {finding.topic}: {finding.text}", console, wrapped=True)
    for warning in said.warnings:
        print_line(f"! {warning}", console, wrapped=True)
    for sentence in gave_up:
        print_line(f"- left out to keep within --budget: {sentence}", console, wrapped=True)
