"""What `augcli train` and `augcli schedule` print."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from augcli.train.ending import EARLY_STOPPING
from augcli.train.printing import print_line, print_table
from augcli.train.record import Row, RunFolder

if TYPE_CHECKING:
    from rich.console import Console

    from augcli.train.scheduling import Forecast, ScheduleResult
    from augcli.train.trainer import TrainResult

MAX_EVENTS = 6


def row_line(row: Row) -> str:
    """One epoch in one line."""
    validation = ""
    if row.val_loss is not None and row.val_accuracy is not None:
        validation = f"   validation {row.val_loss:.3f} {row.val_accuracy:6.1%}"
    wait = row.data_wait_seconds / row.seconds if row.seconds else 0.0
    return (
        f"epoch {row.epoch:3d}   training {row.train_loss:.3f} {row.train_accuracy:6.1%}"
        f"{validation}   lr {row.lr:.2e}   {row.images_per_second:,.0f} images/s, "
        f"{wait:.0%} waiting" + (f", {row.skipped:,} views skipped" if row.skipped else "")
    )


def print_training(result: TrainResult, console: Console) -> None:
    """The final accuracy, and where everything is."""
    run = RunFolder(result.folder)
    early = ", stopped early" if result.record.get("ended_by") == EARLY_STOPPING else ""
    print_line(f"best epoch  {result.best_epoch} of {len(result.rows)}{early}", console)
    for line in _alternatives(result.record):
        print_line(line, console)
    pictures = [str(run.curves)]
    if result.accuracy is not None and result.interval is not None:
        low, high = result.interval
        chance = 1 / len(result.record["classes"])
        print_line(
            f"{result.split:<11} {result.accuracy:.1%} (95 % interval {low:.1%} to {high:.1%}; "
            f"chance {chance:.1%})",
            console,
        )
        pictures.append(str(run.confusion))
    skipped = sum(row.skipped for row in result.rows)
    if skipped:
        times = "once" if skipped == 1 else f"{skipped:,} times"
        print_line(f"skipped     a view {times}, listed in {run.skipped(0)}", console)
    print_line(f"checkpoints {run.best}, {run.last}", console)
    print_line(f"look at     {', '.join(pictures)}", console)


def _alternatives(record: dict[str, Any]) -> Iterator[str]:
    """What averages of weights and snapshots did."""
    swa, snapshots = record.get("swa"), record.get("snapshots")
    if swa:
        verdict = "now best.pt" if swa["is_best"] else "best.pt does better on validation"
        yield f"swa         mean of {swa['epochs']} epochs: {_accuracies(swa)}; {verdict}"
    if snapshots:
        yield f"snapshots   {snapshots['count']} together: {_accuracies(snapshots)}"


def _accuracies(measured: dict[str, Any]) -> str:
    splits = [split for split in ("validation", "test") if measured[split]]
    return ", ".join(f"{split} {measured[split]['accuracy']:.1%}" for split in splits)


def print_schedules(result: ScheduleResult, console: Console) -> None:
    """The key figures of each schedule, and where the picture is."""
    print_line(
        f"{result.epochs:,} epochs of {result.steps_per_epoch:,} steps ({result.samples:,} samples "
        f"in batches of {result.batch_size:,}): {result.steps:,} steps",
        console,
    )
    rows = [["schedule", "warm-up, steps", "first", "peak", "last", "at epochs"]]
    for forecast in result.forecasts:
        figures = forecast.to_json()
        rates = (figures["first_lr"], figures["peak_lr"], figures["last_lr"])
        warmup = f"{figures['warmup_steps']:,}"
        rows.append([forecast.name, warmup, *(f"{r:.3g}" for r in rates), _events(forecast)])
    print_table("Learning rate", rows, console)
    for forecast in result.forecasts:
        if forecast.cut_off:
            print_line(f"• {forecast.name}: {_cut_off(forecast)}", console, wrapped=True)
    if result.plot is not None:
        print_line(f"look at     {result.plot}", console)


def _events(forecast: Forecast) -> str:
    """`restarts 4.1, 12.2`: when the learning rate jumps or turns, as far as there is room."""
    steps = forecast.schedule.corners()
    if forecast.earliest is not None:
        return "drops by validation"
    if not steps:
        return ""
    epochs = ", ".join(f"{forecast.epoch_of(step):.3g}" for step in steps[:MAX_EVENTS])
    more = f", … ({len(steps):,} in all)" if len(steps) > MAX_EVENTS else ""
    what = forecast.schedule.schedule.corner + ("s" if len(steps) > 1 else "")
    return f"{what} {epochs}{more}"


def _cut_off(forecast: Forecast) -> str:
    ends = forecast.schedule.cycle_ends()
    if not ends:
        return "the run ends before its first cycle does: take more --epochs or a shorter cycle"
    return (
        "the run ends within a cycle, with a learning rate that is not at its lowest: the last "
        f"whole cycle ends after epoch {forecast.epoch_of(ends[-1]):.3g}"
    )
