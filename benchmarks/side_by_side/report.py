"""From runs to medians, ratios and the text that is printed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from side_by_side.floor import allowed_views_per_second, median_stages, view_microseconds
from side_by_side.machine import sentences
from side_by_side.peers import BASE, PEERS
from side_by_side.running import Run
from side_by_side.work import Work

FLOOR_ABOUT = (
    "The floor is the sum of the fastest known stages times the number of processes, with no "
    "start-up, seeding, labels or manifest. Alone, a stage has the caches, the memory and the "
    "clock of the whole machine to itself; at once, it shares them as it does in an expansion."
)


@dataclass(frozen=True)
class Row:
    """A peer's medians over rounds. `times` is augcli's median views/s by this one's."""

    name: str
    views_per_second: float
    times: float
    lowest_times: float
    highest_times: float
    slowest: float
    fastest: float
    cpu_milliseconds_per_view: float
    peak_megabytes: float
    kilobytes_per_view: float


@dataclass(frozen=True)
class Floor:
    """Stage costs in microseconds, and the views/s that their sum allows.

    `alone` was measured in one process, `together` in as many as the workers, at the same time.
    """

    alone: dict[str, float]
    together: dict[str, float]
    alone_views_per_second: float
    together_views_per_second: float


@dataclass(frozen=True)
class Results:
    """All that a comparison found. Every peer in `runs` has one run per round."""

    work: Work
    images: int
    image_bytes: int
    rounds: int
    runs: dict[str, list[Run]]
    left_out: dict[str, str]
    floor: Floor | None
    machine: dict[str, str]
    load_before: float

    def rows(self) -> list[Row]:
        """A row per peer, fastest first."""
        base = self.runs[BASE]
        rows = [row_of(name, runs, base) for name, runs in self.runs.items()]
        return sorted(rows, key=lambda row: -row.views_per_second)

    def to_json(self) -> dict[str, Any]:
        """One object with everything, every single run included."""
        return {**asdict(self), "rows": [asdict(row) for row in self.rows()]}


def row_of(name: str, runs: Sequence[Run], base: Sequence[Run]) -> Row:
    """Medians of a peer's runs; the extremes of its ratio are of pairs within a round."""
    speeds = [run.views_per_second for run in runs]
    base_speed = statistics.median(run.views_per_second for run in base)
    paired = [b.views_per_second / r.views_per_second for b, r in zip(base, runs, strict=True)]
    return Row(
        name=name,
        views_per_second=statistics.median(speeds),
        times=base_speed / statistics.median(speeds),
        lowest_times=min(paired),
        highest_times=max(paired),
        slowest=min(speeds),
        fastest=max(speeds),
        cpu_milliseconds_per_view=statistics.median(
            run.cpu_seconds * 1e3 / run.inspection.views for run in runs
        ),
        peak_megabytes=max(run.peak_bytes for run in runs) / 1e6,
        kilobytes_per_view=statistics.median(run.inspection.mean_bytes for run in runs) / 1e3,
    )


def floor_of(
    alone: Sequence[dict[str, float]], together: Sequence[dict[str, float]], work: Work
) -> Floor:
    """The floor from the stages that each process of each round found."""
    one, many = median_stages(alone), median_stages(together)
    return Floor(
        one,
        many,
        allowed_views_per_second(one, work.copies, work.workers),
        allowed_views_per_second(many, work.copies, work.workers),
    )


def markdown(results: Results) -> str:
    """The report."""
    parts = [_headline(results), _table(results), *_left_out(results), *_notes(results)]
    if results.floor is not None:
        parts.append(_floor(results.floor, results))
    shares = [run.others_share for runs in results.runs.values() for run in runs]
    parts.append(sentences(results.machine, results.load_before, shares))
    return "\n\n".join(parts) + "\n"


def _headline(results: Results) -> str:
    work = results.work
    return (
        f"{work.copies} views of each of {results.images} images "
        f"({results.image_bytes / 1e6:.0f} MB), {work.size} px, JPEG quality 90 4:2:0, "
        f"policy {work.policy}, {work.workers} processes, whole command; "
        f"medians of {results.rounds} alternating rounds"
    )


def _table(results: Results) -> str:
    lines = [
        "| pipeline | views/s | slowest–fastest | augcli ÷ it | in single rounds "
        "| CPU ms/view | largest process, MB | kB/view |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in results.rows():
        peer = PEERS[row.name]
        title = f"{peer.title} ({peer.processes})" if peer.processes else peer.title
        cells = [
            f"**{title}**" if row.name == BASE else title,
            f"{row.views_per_second:,.0f}",
            f"{row.slowest:,.0f}–{row.fastest:,.0f}",
            f"{row.times:.2f}",
            f"{row.lowest_times:.2f}–{row.highest_times:.2f}",
            f"{row.cpu_milliseconds_per_view:.2f}",
            f"{row.peak_megabytes:,.0f}",
            f"{row.kilobytes_per_view:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _left_out(results: Results) -> list[str]:
    if not results.left_out:
        return []
    lines = [f"- {PEERS[name].title}: {why}" for name, why in results.left_out.items()]
    return ["\n".join(["Left out:", "", *lines])]


def _notes(results: Results) -> list[str]:
    notes = [f"- {PEERS[n].title}: {PEERS[n].differs}" for n in results.runs if PEERS[n].differs]
    return ["\n".join(["What differs:", "", *notes])] if notes else []


def _floor(floor: Floor, results: Results) -> str:
    copies = results.work.copies
    speed = {row.name: row.views_per_second for row in results.rows()}[BASE]
    names = list(floor.alone)
    lines = [
        f"| floor, µs | {' | '.join(names)} | per view | views/s | augcli's share |",
        f"|---|{'---:|' * (len(names) + 3)}",
    ]
    measured = [
        ("one process alone", floor.alone, floor.alone_views_per_second),
        ("all processes at once", floor.together, floor.together_views_per_second),
    ]
    for title, stages, allowed in measured:
        cells = [f"{stages[name]:.0f}" for name in names]
        total = view_microseconds(stages, copies)
        shown = [title, *cells, f"{total:.0f}", f"{allowed:,.0f}", f"{speed / allowed:.1%}"]
        lines.append(f"| {' | '.join(shown)} |")
    return "\n".join([*lines, "", FLOOR_ABOUT])
