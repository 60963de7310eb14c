"""An ablation in plain words."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from augcli.train.comparisons.ablation_analysis import (
    DROP,
    KEEP,
    AblationAnalysis,
    TransformResult,
)
from augcli.train.comparisons.ablation_record import Ablation
from augcli.train.comparisons.differences import ONE_SEED, UNTOLD
from augcli.train.comparisons.findings import Finding, how_told
from augcli.train.comparisons.tables import Table
from augcli.train.comparisons.verdict import Verdict
from augcli.train.comparisons.wording import (
    chance,
    counted,
    in_points,
    listed,
    percent,
    percent_of,
    points,
    split_name,
    with_bounds,
)

TEST = "test"


def ablation_verdict(ablation: Ablation, analysis: AblationAnalysis) -> Verdict:
    """A pure function of both."""
    return Verdict(
        _headline(analysis),
        None,
        tuple(_findings(ablation, analysis)),
        tuple(_cautions(ablation, analysis)),
    )


def _headline(analysis: AblationAnalysis) -> str:
    kept, dropped = (_named(analysis.decided(what)) for what in (KEEP, DROP))
    untold = len(analysis.decided(UNTOLD))
    parts = [f"Keep {listed(kept)}"] * bool(kept) + [f"Drop {listed(dropped)}"] * bool(dropped)
    if not parts:
        return (
            f"Of none of {counted(untold, 'transform')} can it be told whether it is worth keeping."
        )
    if untold:
        parts.append(f"{counted(untold, 'other')} can't be told")
    return "; ".join([parts[0], *(part[0].lower() + part[1:] for part in parts[1:])]) + "."


def _named(rows: list[TransformResult]) -> list[str]:
    return [f"{row.transform} ({points(row.brings.mean)})" for row in rows]


def _findings(ablation: Ablation, analysis: AblationAnalysis) -> Iterator[Finding]:
    whole = analysis.whole_gain
    yield Finding(
        "Policy",
        f"{ablation.policy} brings {in_points(whole)} over no augmentation, {how_told(whole)}: "
        f"{percent(analysis.whole.mean)} % against {percent(analysis.none.mean)} %.",
    )
    alone = [row for row in analysis.transforms if row.gain is not None and row.gain.told]
    if alone:
        alone.sort(key=lambda row: -row.gain.mean if row.gain else 0.0)
        named = [f"{row.transform} ({points(row.gain.mean)})" for row in alone if row.gain]
        yield Finding(
            "Alone", f"By itself each of these can be told from nothing: {listed(named)}."
        )
    spare = [row for row in alone if row.decision == UNTOLD and row.gain and row.gain.mean > 0]
    if spare:
        yield Finding(
            "Overlap",
            f"{listed([row.transform for row in spare])} helps alone but isn't missed in the "
            "policy: others may do the same for it.",
        )


def _cautions(ablation: Ablation, analysis: AblationAnalysis) -> Iterator[str]:
    images = f"{ablation.test_images:,} {split_name(ablation.split)} images"
    if analysis.whole_gain.outcome == ONE_SEED:
        yield f"One seed can tell nothing: intervals know the chance of {images} only."
        return
    usual = statistics.median(row.brings.half_width or 0.0 for row in analysis.transforms)
    yield (
        f"With {images} and {counted(len(analysis.seeds), 'seed')} a transform must bring or cost "
        f"about {percent(usual)} points to be told from noise. What can't be told is not shown to "
        "be useless."
    )
    yield ("Transforms are judged one at a time, among all others: after dropping one, ask again.")
    if ablation.split == TEST:
        yield "What was chosen by test images looks better on them than it is."


def ablation_table(analysis: AblationAnalysis, brief: bool = False) -> Table:
    """The transforms, from what brings most to what costs most."""
    head = ["transform", "decision", "brings, points", "alone, points"]
    more = ["p", "without it, %", "alone, %", "p, alone"]
    rows = [
        [
            row.transform,
            row.decision,
            with_bounds(row.brings),
            with_bounds(row.gain),
            chance(row.brings),
            percent_of(row.accuracy_without),
            percent_of(row.accuracy_alone),
            chance(row.gain),
        ]
        for row in ranked(analysis)
    ]
    if brief:
        return [head, *(cells[: len(head)] for cells in rows)]
    return [[*head, *more], *rows]


def ranked(analysis: AblationAnalysis) -> list[TransformResult]:
    """What brings most comes first."""
    return sorted(analysis.transforms, key=lambda row: -row.brings.mean)
