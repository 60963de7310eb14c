"""The table of a running training: what stays on the screen, and what where there is none."""

from __future__ import annotations

import dataclasses
import io
import re

import pytest
from rich.console import Console

from augcli.train import live
from augcli.train.epoch import Progress
from augcli.train.live import LiveTable, clock_time
from augcli.train.record import Row

STEP = Progress(epoch=1, batch=1, batches=4, loss=2.5, images=10, size=32, lr=0.001, done=0.125)
ROW = Row(1, 1.5, 0.25, 1.25, 0.5, 1e-3, 2.0, 0.5, 1234.0, size=32, batch_size=8)


@pytest.fixture
def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=80, markup=False)


def shown(console: Console) -> str:
    """All that was ever shown, without the terminal's control codes."""
    assert isinstance(console.file, io.StringIO)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", console.file.getvalue())


def test_rows_stay_and_the_running_epoch_is_below(
    terminal: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter(range(100))
    monkeypatch.setattr(live.time, "monotonic", lambda: 10.0 * next(now))
    with LiveTable(console=terminal) as table:
        table.step(STEP)
        table.step(dataclasses.replace(STEP, batch=2, loss=1.5, done=0.25))
        table.row(ROW)
        table.say("a note [with] brackets")
        table.row(dataclasses.replace(ROW, epoch=2, val_accuracy=0.25, skipped=3))
    lines = [line.rstrip() for line in shown(terminal).splitlines()]
    assert lines[0].split("  ")[0:1] == ["epoch"]
    assert max(map(len, lines)) <= 80 + len(" 3 views skipped")
    joined = "\n".join(lines)
    assert "step 2/4, 25% of the run done" in joined and " left" in joined
    assert re.search(r" 1 +32 +2\.000 +1\.00e-03", joined), "the mean of both steps' losses"
    assert re.search(r" 1 +32 +1\.500 +25\.0% +1\.250 +50\.0% +1\.00e-03 +1,234 +25% best", joined)
    assert re.search(r" 2 +32 +1\.500 .* 25\.0% .* 25% 3 views skipped", joined)
    assert "a note [with] brackets" in joined


def test_without_a_terminal_epochs_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with LiveTable() as table:
        table.step(STEP)
        table.row(ROW)
        table.say("a note")
    said = capsys.readouterr()
    assert said.out == ""
    first, note = said.err.splitlines()
    assert first.startswith("epoch   1   training 1.500  25.0%   validation 1.250  50.0%")
    assert note == "a note"


def test_quiet_is_quiet(terminal: Console, capsys: pytest.CaptureFixture[str]) -> None:
    with LiveTable(quiet=True, console=terminal) as table:
        table.step(STEP)
        table.row(ROW)
        table.say("a note")
    assert shown(terminal) == "" and capsys.readouterr().err == ""


def test_a_range_test_has_its_own_bar(terminal: Console) -> None:
    with LiveTable(console=terminal) as table:
        table.step(Progress(0, 7, 100, 1.75))
    assert "range test 7/100, loss 1.750" in shown(terminal)


def test_times() -> None:
    assert [clock_time(each) for each in (0.4, 61, 3599.7, 7325)] == [
        "0:00", "1:01", "1:00:00", "2:02:05",
    ]  # fmt: skip
