"""The tables of a report, for people: a header, then rows; the first column names, others tell."""

from __future__ import annotations

from augcli.train.comparisons.analysis import Analysis
from augcli.train.comparisons.measurements import Measurements, Repeated
from augcli.train.comparisons.wording import (
    chance,
    count,
    duration,
    percent,
    percent_of,
    size,
    with_bounds,
)

Table = list[list[str]]

BOUND = "(no data needed)"
AGAINST = "against on the fly, points"


def accuracy_table(analysis: Analysis, brief: bool = False) -> Table:
    """Mean accuracies, differences to on the fly, and what can be told; `brief` fits a terminal."""
    head = ["arm", "accuracy, %", AGAINST, "told apart"]
    more = ["p", "by seed, %", "log loss", "training", "lr"]
    rows = [
        [
            row.arm.name,
            percent_of(row.accuracy),
            with_bounds(row.difference),
            row.difference.outcome if row.difference else "",
            chance(row.difference),
            " ".join(map(percent, row.by_seed)),
            f"{row.log_loss:.3f}",
            duration(row.seconds),
            " ".join(f"{lr:.2g}" for lr in sorted(set(row.lrs))),
        ]
        for row in analysis.arms
    ]
    if brief:
        return [head, *(cells[: len(head)] for cells in rows)]
    return _without_empty([[*head, *more], *rows])


def robustness_table(analysis: Analysis) -> Table:
    """Accuracy on corrupted images; only a header where that was not measured."""
    head = ["arm", "clean, %", "corrupted, %", AGAINST, "p", "told apart"]
    rows = [
        [
            row.arm.name,
            percent(row.accuracy.mean),
            percent_of(row.corrupted),
            with_bounds(row.corrupted_difference),
            chance(row.corrupted_difference),
            row.corrupted_difference.outcome if row.corrupted_difference else "",
        ]
        for row in analysis.arms
        if row.corrupted is not None
    ]
    return [head, *rows]


def throughput_table(measurements: Measurements, brief: bool = False) -> Table:
    """Views per second, waiting and costs; `brief` fits a terminal."""

    def shown(rate: Repeated | None) -> str:
        if rate is None:
            return ""
        spread = "" if brief else f" ({rate.least:,.0f}–{rate.greatest:,.0f})"
        return f"{rate.median:,.0f}{spread}"

    head = ["arm", "alone, views/s", "training, views/s", "waiting", "CPU, ms"]
    more = ["read, KB", "alone and cold, views/s", "workers"]
    found = measurements.throughput
    rows = [
        [
            row.arm,
            shown(row.source),
            shown(row.training),
            f"{row.wait_share:.0%}",
            f"{1000 * row.cpu_seconds_per_view:.2f}",
            "" if row.bytes_per_view is None else f"{row.bytes_per_view / 1000:.1f}",
            shown(row.cold),
            str(row.workers) if len({each.workers for each in found.arms}) > 1 else "",
        ]
        for row in found.arms
    ]
    rows.append([BOUND, "", shown(found.bound), *[""] * 5])
    if brief:
        return [head, *(cells[: len(head)] for cells in rows)]
    return _without_empty([[*head, *more], *rows])


def costs_table(analysis: Analysis, brief: bool = False) -> Table:
    """What storing costs, and when it has paid for itself; `brief` fits a terminal."""
    head = ["arm", "expanding", "disk", "pays back, epochs", "trainings"]
    more = ["in CPU time, epochs", "fastest to slowest", "ms/view"]
    rows = []
    for row in analysis.arms:
        found = row.pay_back
        if found is None or row.arm.residual:
            continue
        rows.append(
            [
                row.arm.name,
                duration(found.seconds),
                size(found.disk_bytes),
                _epochs(found.epochs),
                "" if found.runs is None else count(found.runs),
                _epochs(found.cpu_epochs),
                "" if found.least is None else f"{_epochs(found.least)}–{_epochs(found.most)}",
                f"{1000 * found.seconds / found.views:.1f}",
            ]
        )
    if brief:
        return [head, *(cells[: len(head)] for cells in rows)]
    return _without_empty([[*head, *more], *rows])


def _epochs(number: float | None) -> str:
    return "never" if number is None else count(number)


def policies_table(analysis: Analysis, brief: bool = False) -> Table:
    """Accuracy of each policy in both modes; only a header where there is but one policy."""
    head = ["policy", "on the fly, %", "over none, points", "told apart", "stored, %"]
    head += ["over none, points", "told apart", "stored less on the fly, points"]
    found = analysis.policies
    if found is None:
        return [head]
    rows = [["none", _mode(analysis, found.none), *[""] * 6]] if found.none else []
    for row in found.rows:
        stored = analysis.of(row.stored) if row.stored else None
        rows.append(
            [
                row.policy,
                _mode(analysis, row.fresh),
                with_bounds(row.gain),
                row.gain.outcome if row.gain else "",
                _mode(analysis, row.stored),
                with_bounds(row.stored_gain),
                row.stored_gain.outcome if row.stored_gain else "",
                with_bounds(stored.difference) if stored else "",
            ]
        )
    return [cells[:5] for cells in (head, *rows)] if brief else [head, *rows]


def _mode(analysis: Analysis, arm: str | None) -> str:
    return percent_of(analysis.of(arm).accuracy) if arm else ""


def classes_table(analysis: Analysis) -> Table:
    """Recall of each class by arm, and the difference between the last two."""
    arms = list(dict.fromkeys(arm for row in analysis.classes for arm in row.recalls))
    head = ["class", "images", *(f"{arm}, %" for arm in arms), "difference, points (95 %)"]
    rows = [
        [
            row.name,
            "" if row.images is None else f"{row.images:,}",
            *(percent(row.recalls.get(arm)) for arm in arms),
            with_bounds(row.difference),
            row.difference.outcome if row.difference else "",
        ]
        for row in analysis.classes
    ]
    return _without_empty([[*head, "told apart"], *rows])


def peers_table(measurements: Measurements, brief: bool = False) -> Table:
    """Other libraries beside the arms that they are like; only a header where there are none."""
    head = ["library", "like", "alone, views/s", "augcli, views/s", "version", "what it did"]
    rates = {row.arm: row.source for row in measurements.throughput.arms}
    rows = [
        [
            peer.name,
            peer.arm,
            f"{peer.views_per_second.median:,.0f}" if peer.views_per_second else "–",
            f"{rates[peer.arm].median:,.0f}" if peer.arm in rates else "",
            peer.version or "",
            peer.note,
        ]
        for peer in measurements.peers
    ]
    return [cells[:5] for cells in (head, *rows)] if brief else [head, *rows]


def _without_empty(table: Table) -> Table:
    """Less the columns in which nothing stands."""
    kept = [n for n, _ in enumerate(table[0]) if any(row[n] for row in table[1:])]
    return [[row[n] for n in kept] for row in table]
