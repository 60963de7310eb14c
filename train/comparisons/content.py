"""What a benchmark's report says, part by part, from the most to the least important."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from augcli.train.comparisons.analysis import Analysis
from augcli.train.comparisons.classes_picture import draw_classes
from augcli.train.comparisons.copies_picture import draw_copies
from augcli.train.comparisons.document import (
    Alarm,
    Code,
    Drawn,
    Facts,
    Heading,
    Lead,
    Part,
    Rows,
    Sheet,
    Text,
)
from augcli.train.comparisons.measurements import Measurements
from augcli.train.comparisons.next_commands import next_commands
from augcli.train.comparisons.policies_picture import draw_policies
from augcli.train.comparisons.tables import (
    accuracy_table,
    classes_table,
    costs_table,
    peers_table,
    policies_table,
    robustness_table,
    throughput_table,
)
from augcli.train.comparisons.throughput_picture import draw_throughput
from augcli.train.comparisons.verdict import Verdict
from augcli.train.comparisons.wording import counted, split_name

COPIES_FILE, THROUGHPUT_PICTURE = "copies.png", "throughput.png"
POLICIES_FILE, CLASSES_FILE, VIEWS_FILE = "policies.png", "classes.png", "views.png"
UNFOLDED = 30
"""Rows of a table that are shown at once."""

PICTURE_FILES = (COPIES_FILE, POLICIES_FILE, THROUGHPUT_PICTURE, CLASSES_FILE, VIEWS_FILE)


def title_of(measurements: Measurements) -> str:
    """The headline of all forms of the report."""
    return f"Augment ahead of time, or on the fly? {measurements.dataset}"


def content(
    measurements: Measurements, analysis: Analysis, verdict: Verdict, views: bytes | None
) -> list[Part]:
    """All parts in order; `views` is a PNG of sample views."""
    return [
        *_verdict(measurements, analysis, verdict),
        *_accuracy(measurements, analysis),
        *_policies(analysis),
        *_speed(measurements, analysis),
        *_robustness(analysis),
        *_classes(analysis),
        *_views(views),
        *_method(measurements),
    ]


def _verdict(measurements: Measurements, analysis: Analysis, verdict: Verdict) -> Iterator[Part]:
    seeds = counted(len(analysis.seeds), "seed")
    yield Text(
        f"{len(measurements.classes)} classes, {measurements.train_images:,} training images, "
        f"compared on {measurements.test_images:,} {split_name(measurements.split)} images; "
        f"{counted(len(analysis.arms), 'arm')}, {seeds} each; "
        f"policy {', '.join(measurements.policies)}.",
        faint=True,
    )
    yield Lead(verdict.headline)
    if verdict.arm is not None:
        yield Code("\n".join(next_commands(measurements, analysis, verdict.arm)))
    if verdict.warnings:
        yield Alarm("Beware", verdict.warnings)
    if verdict.findings:
        yield Facts(tuple((finding.topic, finding.text) for finding in verdict.findings))
    if measurements.gave_up:
        yield Alarm("Left out to keep within --budget", measurements.gave_up)


def _accuracy(measurements: Measurements, analysis: Analysis) -> Iterator[Part]:
    if not analysis.arms:
        return
    yield Heading("Accuracy")
    if analysis.copies:
        described = "accuracy by the number of stored copies, with on the fly as a band"
        yield Drawn(COPIES_FILE, described, partial(draw_copies, analysis))
        how = (
            "Small dots are seeds. Bars and band are 95 % intervals for comparing: where an arm's "
            "bar and the band overlap, its difference to on the fly can't be told from zero."
        )
        if len(analysis.seeds) == 1:
            how = "One seed: bars and band know the chance of the test images only."
        yield Text(how, faint=True)
    yield Rows(accuracy_table(analysis))
    yield Text(_about_intervals(measurements), faint=True)


def _about_intervals(measurements: Measurements) -> str:
    images = f"{measurements.test_images:,} {split_name(measurements.split)} images"
    return (
        "± is Student's 95 % interval over the arm's own seeds. Differences are those of the same "
        f"seeds (same initial weights, same order of samples) on the same {images}; their 95 % "
        "intervals allow for other seeds and other images, and are each by itself. p is corrected "
        "for all comparisons of its table (Holm): of such tables, 5 in 100 at most call any arm "
        "better or worse that is not."
    )


def _policies(analysis: Analysis) -> Iterator[Part]:
    found = analysis.policies
    if found is None:
        return
    yield Heading("Policies")
    described = "accuracy of each policy, on the fly and stored"
    yield Drawn(
        POLICIES_FILE, described, lambda theme: draw_policies(analysis, found, theme)
    )  # fmt: skip
    yield Rows(policies_table(analysis))


def _speed(measurements: Measurements, analysis: Analysis) -> Iterator[Part]:
    if not measurements.throughput.arms:
        return
    yield Heading("Speed and cost")
    described = "views per second of each source and of training, and the share of waiting"
    yield Drawn(THROUGHPUT_PICTURE, described, partial(draw_throughput, measurements))
    yield Rows(throughput_table(measurements))
    yield Text(
        "Medians of repeated measurements in alternating order (least to greatest). The source "
        "alone is read with its files in the page cache, cold without. No source can make training "
        "faster than its step on one synthetic batch over and over. Processor time, of one core, "
        f"and bytes read are those of a view.{_workers(measurements)} Arms that differ in nothing "
        "but copies share their measurements.",
        faint=True,
    )
    costs = costs_table(analysis)
    if len(costs) > 1:
        yield Rows(costs)
        yield Text(
            "Expanding pays back after as many epochs, of any number of trainings, as the time it "
            "took is saved by reading instead of making views.",
            faint=True,
        )
    if measurements.peers:
        yield Rows(peers_table(measurements))


def _workers(measurements: Measurements) -> str:
    """How many, where all arms had as many."""
    counts = {row.workers for row in measurements.throughput.arms}
    return f" All arms had {counted(counts.pop(), 'worker')}." if len(counts) == 1 else ""


def _robustness(analysis: Analysis) -> Iterator[Part]:
    table = robustness_table(analysis)
    if len(table) > 1:
        yield Heading("Robustness")
        yield Rows(table)
        yield Text(
            "Mean accuracy over corruptions of the test images. Intervals are over seeds.",
            faint=True,
        )


def _classes(analysis: Analysis) -> Iterator[Part]:
    if not analysis.classes or not analysis.copies:
        return
    yield Heading("Class by class")
    copies = analysis.copies[0]
    if any(row.difference is not None for row in analysis.classes):
        described = f"recall of each class, {copies.advised} less on the fly"
        drawing = partial(draw_classes, analysis.classes, copies.advised)
        yield Drawn(CLASSES_FILE, described, drawing)
    count = len(analysis.classes)
    yield Rows(classes_table(analysis), f"All {count} classes" if count > UNFOLDED else None)
    yield Text(
        f"Recall, the mean over seeds; differences are {copies.advised} less {copies.fresh}, told "
        "apart among all classes.",
        faint=True,
    )


def _views(views: bytes | None) -> Iterator[Part]:
    if views is not None:
        yield Heading("What the policies do")
        yield Sheet(VIEWS_FILE, "originals and their first copies", views)


def _method(measurements: Measurements) -> Iterator[Part]:
    yield Heading("How it was measured")
    yield machine_facts(measurements.config, measurements.machine)
    yield Code(measurements.command)


def machine_facts(config: dict[str, Any], machine: dict[str, Any]) -> Facts:
    """Options, hardware and versions."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    options = ", ".join(
        f"{name.replace('_', '-')} {value}"
        for name, value in config.items()
        if value is not None and name not in ("data", "out", "policy", "policies")
    )
    hardware = (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB; "
        f"{machine['cuda'] or 'no GPU'}; {machine['system']}"
    )
    return Facts(
        (
            ("Options", options),
            ("Machine", hardware),
            ("Versions", f"Python {machine['python']}, {versions}"),
        )
    )
