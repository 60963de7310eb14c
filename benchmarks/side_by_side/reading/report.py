"""From runs to medians, ratios and the tables that are printed."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from side_by_side.machine import sentences
from side_by_side.readers import BASE, OWN, READERS
from side_by_side.reading.bound import BOUNDS
from side_by_side.reading.running import ReadRun
from side_by_side.reading.work import ReadWork

ABOUT = (
    "images/s: whole epochs after the first, page cache warm. First batch: in a fresh process, "
    "from the opening of the reader; from start: from the start of the process, with its imports. "
    "Every view came once per epoch, under its label."
)
BOUNDS_ABOUT = (
    "A bound is the one stage that readers of these views can't do without, on all workers at once "
    "and with nothing around it. More than 100% of it is noise, or another decoder or memory that "
    "is faster than the bound's: simplejpeg, and pages mapped from files."
)


@dataclass(frozen=True)
class Row:
    """A reader's medians over rounds; `over_base` is its speed by plain webdataset's."""

    name: str
    images_per_second: float
    slowest: float
    fastest: float
    over_base: float | None
    of_best: float
    first_batch_seconds: float
    start_seconds: float
    kilobytes_per_image: float
    layout: str


@dataclass(frozen=True)
class BoundRow:
    """A bound's medians; `shares` are the speeds of readers by it."""

    name: str
    images_per_second: float
    slowest: float
    fastest: float
    shares: dict[str, float]


@dataclass(frozen=True)
class Results:
    """All that a comparison found: a run of each reader and bound per round."""

    work: ReadWork
    images: int
    rounds: int
    runs: dict[str, list[ReadRun]]
    left_out: dict[str, str]
    kilobytes_per_image: dict[str, float]
    machine: dict[str, str]
    load_before: float

    def rows(self) -> list[Row]:
        """A row per reader, fastest first."""
        readers = {name: runs for name, runs in self.runs.items() if name in READERS}
        speeds = {name: _median(runs, _speed) for name, runs in readers.items()}
        rows = [self._row(name, runs, speeds) for name, runs in readers.items()]
        return sorted(rows, key=lambda row: -row.images_per_second)

    def bounds(self) -> list[BoundRow]:
        """A row per bound."""
        speeds = {row.name: row.images_per_second for row in self.rows()}
        return [self._bound(name, speeds) for name in BOUNDS if name in self.runs]

    def to_json(self) -> dict[str, Any]:
        """One object with everything, every single run included."""
        rows = {"rows": self.rows(), "bounds": self.bounds()}
        lists = {name: [asdict(row) for row in listed] for name, listed in rows.items()}
        return {**asdict(self), **lists}

    def _row(self, name: str, runs: Sequence[ReadRun], speeds: dict[str, float]) -> Row:
        return Row(
            name=name,
            images_per_second=speeds[name],
            slowest=min(map(_speed, runs)),
            fastest=max(map(_speed, runs)),
            over_base=speeds[name] / speeds[BASE] if BASE in speeds else None,
            of_best=speeds[name] / max(speeds.values()),
            first_batch_seconds=_median(runs, lambda run: run.measured.first_batch_seconds or 0),
            start_seconds=_median(runs, lambda run: run.measured.start_seconds or 0),
            kilobytes_per_image=self.kilobytes_per_image[name],
            layout=runs[0].measured.layout,
        )

    def _bound(self, name: str, speeds: dict[str, float]) -> BoundRow:
        runs = self.runs[name]
        speed = _median(runs, _speed)
        kind = name.partition("-")[0]
        shares = {n: speeds[n] / speed for n in speeds if READERS[n].bound == kind}
        return BoundRow(name, speed, min(map(_speed, runs)), max(map(_speed, runs)), shares)


def show(results: Results, console: Console) -> None:
    """Print the report."""
    work = results.work
    console.print(
        f"Batches of {work.batch} uint8 images of {work.size} px, {results.images} images, "
        f"{work.workers} workers; medians of {results.rounds} alternating rounds of at least "
        f"{work.seconds:g} s"
    )
    console.print(_table(results))
    console.print(ABOUT, style="dim")
    if results.bounds():
        console.print(_bounds_table(results))
        console.print(BOUNDS_ABOUT, style="dim")
    for line in _notes(results):
        console.print(line)
    shares = [run.used.others_share for runs in results.runs.values() for run in runs]
    console.print(sentences(results.machine, results.load_before, shares))


def _table(results: Results) -> Table:
    table = Table()
    table.add_column("reader")
    columns = ["images/s", "slowest–fastest", "÷ webdataset", "of the best", "first batch, s"]
    for column in (*columns, "from start, s", "kB/image", "layout"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in results.rows():
        table.add_row(
            READERS[row.name].title,
            f"{row.images_per_second:,.0f}",
            f"{row.slowest:,.0f}–{row.fastest:,.0f}",
            "" if row.over_base is None else f"{row.over_base:.2f}",
            f"{row.of_best:.0%}",
            f"{row.first_batch_seconds:.2f}",
            f"{row.start_seconds:.1f}",
            f"{row.kilobytes_per_image:.1f}",
            row.layout,
            style="bold" if row.name in OWN else "",
        )
    return table


def _bounds_table(results: Results) -> Table:
    table = Table()
    table.add_column("bound")
    for column in ("images/s", "slowest–fastest"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("of it")
    for bound in results.bounds():
        table.add_row(
            BOUNDS[bound.name],
            f"{bound.images_per_second:,.0f}",
            f"{bound.slowest:,.0f}–{bound.fastest:,.0f}",
            "\n".join(_share_lines(bound.shares)),
        )
    return table


def _share_lines(shares: dict[str, float]) -> Iterator[str]:
    """All of augcli's, and the best of the others'; shares come in the order of speed."""
    others = [name for name in shares if name not in OWN]
    for name, share in shares.items():
        if name in OWN or name in others[:1]:
            yield f"{share:.0%} {READERS[name].title}"


def _notes(results: Results) -> Iterator[str]:
    for name, why in results.left_out.items():
        yield f"Left out: {READERS[name].title if name in READERS else BOUNDS[name]}: {why}"
    for row in results.rows():
        if READERS[row.name].differs:
            yield f"Differs: {READERS[row.name].title}: {READERS[row.name].differs}"


def _speed(run: ReadRun) -> float:
    return run.measured.images_per_second


def _median(runs: Sequence[ReadRun], value: Callable[[ReadRun], float]) -> float:
    return statistics.median(map(value, runs))
