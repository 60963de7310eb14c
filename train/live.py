"""What `augcli train` shows on a terminal: a table of epochs that grows, the running one below."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from augcli.manifests.inputs import printable
from augcli.train.epoch import Progress
from augcli.train.record import Row
from augcli.train.state import is_better
from augcli.train.summary import row_line

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.live import Live

REFRESHES_PER_SECOND = 4
BAR_WIDTH = 40
COLUMNS = {
    "epoch": 5,
    "px": 5,
    "train loss": 11,
    "train acc": 10,
    "val loss": 9,
    "val acc": 8,
    "lr": 10,
    "images/s": 9,
    "waiting": 8,
}
"""Headings and their widths, 75 letters in all; losses are in nats."""


class LiveTable:
    """Within it epochs and steps are shown on stderr; where that is no terminal, epochs as lines.

    The display is there from the first step on: its thread must not run when workers are forked.
    """

    def __init__(self, *, quiet: bool = False, console: Console | None = None) -> None:
        """`quiet` shows nothing; `console` is stderr's unless given."""
        self._quiet = quiet
        self._console = console
        self._live: Live | None = None
        self._best: Row | None = None
        self._epoch = _Epoch()
        self._begun: tuple[float, float] | None = None

    def __enter__(self) -> LiveTable:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live is not None:
            self._live.stop()

    def step(self, step: Progress) -> None:
        """A step was taken."""
        if self._quiet or not self._is_terminal:
            return
        if step.epoch != self._epoch.number:
            self._epoch = _Epoch(step.epoch)
        self._epoch.add(step)
        now = time.monotonic()
        if step.epoch:
            self._begun = self._begun or (now, step.done)
        if self._live is None:
            self._live = self._opened()
        self._live.update(self._running(step, now))

    def row(self, row: Row) -> None:
        """An epoch has ended."""
        if self._live is None:
            self.say(row_line(row))
            return
        is_best = self._best is None or is_better(row, self._best)
        self._best = row if is_best else self._best
        wait = row.data_wait_seconds / row.seconds if row.seconds else 0.0
        cells = [
            str(row.epoch), str(row.size), f"{row.train_loss:.3f}", f"{row.train_accuracy:.1%}",
            "" if row.val_loss is None else f"{row.val_loss:.3f}",
            "" if row.val_accuracy is None else f"{row.val_accuracy:.1%}",
            f"{row.lr:.2e}", f"{row.images_per_second:,.0f}", f"{wait:.0%}",
        ]  # fmt: skip
        best = " best" if is_best and row.val_loss is not None else ""
        skipped = f" {row.skipped:,} views skipped" if row.skipped else ""
        style = "bold" if best else None
        self._live.console.print(_line(cells) + best + skipped, style=style, soft_wrap=True)

    def say(self, line: str) -> None:
        """A line that stays."""
        if self._quiet:
            return
        line = printable(line)
        if self._live is None:
            print(line, file=sys.stderr, flush=True)
        else:
            self._live.console.print(line, soft_wrap=True)

    @property
    def _is_terminal(self) -> bool:
        return sys.stderr.isatty() if self._console is None else self._console.is_terminal

    def _opened(self) -> Live:
        from rich.console import Console
        from rich.live import Live

        console = self._console or Console(stderr=True, markup=False, highlight=False)
        console.print(_line([*COLUMNS]), style="dim")
        live = Live(console=console, refresh_per_second=REFRESHES_PER_SECOND, transient=True)
        live.start()
        return live

    def _running(self, step: Progress, now: float) -> Group:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        bar = ProgressBar(total=step.batches, completed=step.batch, width=BAR_WIDTH)
        beside = Table.grid(padding=(0, 1))
        if step.epoch == 0:
            text = f"range test {step.batch}/{step.batches}, loss {step.loss:.3f}"
            beside.add_row(bar, Text(text))
            return Group(beside)
        what = "validating" if step.batch == step.batches else f"step {step.batch}/{step.batches}"
        beside.add_row(bar, Text(f"{what}, {self._left(step, now)}"))
        return Group(Text(_line(self._epoch.cells(step)), style="cyan"), beside)

    def _left(self, step: Progress, now: float) -> str:
        """`12 % of the run done, 3:04 left`, by how long what this process did took."""
        assert self._begun is not None
        then, done = self._begun
        text = f"{step.done:.0%} of the run done"
        if step.done - done < 1e-3 or now - then < 2:
            return text
        return f"{text}, {clock_time((1 - step.done) * (now - then) / (step.done - done))} left"


class _Epoch:
    """What the steps of the running epoch that were seen add up to."""

    def __init__(self, number: int | None = None) -> None:
        self.number = number
        self._loss_sum = 0.0
        self._images = 0
        self._steps = 0
        self._began = time.monotonic()

    def add(self, step: Progress) -> None:
        self._loss_sum += step.loss * step.images
        self._images += step.images
        self._steps += 1

    def cells(self, step: Progress) -> list[str]:
        seconds = time.monotonic() - self._began
        speed = f"{self._images / seconds:,.0f}" if self._steps > 1 and seconds > 0.5 else ""
        loss = f"{self._loss_sum / self._images:.3f}" if self._images else ""
        return [str(step.epoch), str(step.size), loss, "", "", "", f"{step.lr:.2e}", speed, ""]


def _line(cells: list[str]) -> str:
    return "".join(f"{cell:>{width}}" for cell, width in zip(cells, COLUMNS.values(), strict=True))


def clock_time(seconds: float) -> str:
    """`3:04` or `1:02:03`."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
