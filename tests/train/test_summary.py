"""What is printed is what was meant, whatever paths and names look like."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from augcli.train.finish import TrainResult
from augcli.train.record import Row
from augcli.train.summary import print_table, print_training

ROW = Row(1, 1.0, 0.5, None, None, 0.1, 2.0, 0.5, 10.0)
NAMES = ["run[/q]", "run[red]1", "run:smile:", "[link=x]"]


def printed(result: TrainResult) -> str:
    console = Console(file=io.StringIO(), width=60)
    print_training(result, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("name", NAMES)
def test_paths_are_no_markup(name: str) -> None:
    record = {"classes": ["a", "b"]}
    text = printed(TrainResult(Path(name), (ROW,), 1, "test", 0.5, (0.2, 0.8), record))
    assert f"checkpoints {name}/best.pt, {name}/last.pt\n" in text
    assert f"look at     {name}/curves.png, {name}/confusion.png\n" in text


@pytest.mark.parametrize("name", NAMES)
def test_cells_are_no_markup(name: str) -> None:
    console = Console(file=io.StringIO(), width=100)
    print_table(name, [[name, "b"], [name, name]], console)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count(name) == 4


def test_no_picture_is_named_that_is_not_there() -> None:
    text = printed(TrainResult(Path("run"), (ROW,), 1, None, None, None, {"classes": ["a", "b"]}))
    assert "run/curves.png" in text
    assert "confusion" not in text


def test_averages_and_snapshots_are_told_of() -> None:
    measured = {"validation": {"accuracy": 0.91}, "test": None}
    record = {
        "classes": ["a", "b"],
        "swa": {**measured, "epochs": 4, "is_best": True},
        "snapshots": {"validation": {"accuracy": 0.9}, "test": {"accuracy": 0.875}, "count": 3},
    }
    text = printed(TrainResult(Path("run"), (ROW,), 1, None, None, None, record))
    assert "swa         mean of 4 epochs: validation 91.0%; now best.pt\n" in text
    assert "snapshots   3 together: validation 90.0%, test 87.5%\n" in text
