"""Whole runs by the clock, which is here one that tests set."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from augcli.manifests.errors import AugcliError
from augcli.train import budget, epoch, epochs
from augcli.train.checkpoint import load_checkpoint
from augcli.train.probing import Found
from augcli.train.state import RunState

BUDGET = {"budget": "100s", "epochs": 30, "sched": "onecycle"}


class Hand:
    """A clock that only steps and validation move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def as_it_is(model: Any, forward: Any, batch: Any, sizes: list[int]) -> Found:
    """What steps and validation take on this clock."""
    return Found(tuple((size / 16) ** 2 / 8 for size in sizes), 2 / 13)


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    """A step takes a second, at 16 pixels, and validation takes two."""
    hand = Hand()
    step, validate = RunState.step, epochs._validate

    def slow_step(self: RunState, *given: Any) -> Any:
        hand.now += (self.stage.size / 16) ** 2 * len(given[0]) / 8
        return step(self, *given)

    def slow_validation(*given: Any) -> Any:
        hand.now += 2.0
        return validate(*given)

    monkeypatch.setattr(budget, "OTHER_SECONDS", 0.0)  # as this clock has it
    monkeypatch.setattr(budget, "probe", as_it_is)
    monkeypatch.setattr(RunState, "step", slow_step)
    monkeypatch.setattr(epochs, "_validate", slow_validation)
    for module, name in ((budget, "monotonic"), (epoch, "perf_counter"), (epochs, "perf_counter")):
        monkeypatch.setattr(module.time, name, hand)
    return hand


def test_the_schedule_ends_within_the_time(runs: Any, hand: Hand) -> None:
    """Epochs take 3.5 seconds and validation two more: 17 fit, after which 6 s are not enough."""
    began = hand.now
    notes: list[str] = []
    result = runs.train("whole", **BUDGET, note=notes.append)
    epochs = len(result.rows)
    assert 100 - 2 * 5.5 < hand.now - began <= 100
    assert 16 <= epochs <= 18
    record = result.record
    assert (record["ended_by"], record["epochs"], record["schedule_done"]) == ("budget", epochs, 1)
    assert record["steps"] == 4 * epochs
    assert record["validation_seconds"] == 2.0 * epochs
    assert record["spent_seconds"] == hand.now - began
    assert result.rows[-1].lr == pytest.approx(0.005 / 250_000, rel=1e-3)
    assert max(row.lr for row in result.rows) > 0.0045
    assert len(notes) == 1 and "--budget 100s: time for about" in notes[0]


def test_stages_go_by_the_schedule(runs: Any, hand: Hand) -> None:
    """A quarter of the time per epoch at half the size: more of those fit."""
    began = hand.now
    result = runs.train("whole", **{**BUDGET, "budget": "80s"}, sizes="8,16")
    assert 80 - 2 * 5.5 < hand.now - began <= 80
    sizes = [row.size for row in result.rows]
    assert sizes == sorted(sizes)
    assert sizes.count(8) == pytest.approx(len(sizes) / 2, abs=2)
    assert result.record["schedule_done"] == 1


def test_resumed_is_as_never_interrupted(runs: Any, hand: Hand) -> None:
    """In the epoch that is not planned yet, too; time between the processes doesn't count."""
    options = {**BUDGET, "budget": "40s", "sizes": "8,16"}
    runs.train("whole", **options)
    marks = load_checkpoint(runs.folder("whole") / "last.pt").marks
    assert marks[0] == 0 and marks[-1] == 100_000
    for number, stop_at in enumerate([(1, 2), (2, 4), (3, 1), (4, 3)]):
        with pytest.raises(AugcliError, match="stopped by SIGINT"):
            runs.train("pieces", stop_at=stop_at, resume=number > 0, **options)
        hand.now += 1e6
    runs.train("pieces", resume=True, **options)
    runs.assert_same("pieces", "whole")


def test_a_slow_machine_ends_in_time_before_the_schedule_does(runs: Any, hand: Hand) -> None:
    """Every epoch twice as slow as the one before: what is left is never enough."""
    began = hand.now

    def slower(row: Any) -> None:
        hand.now += 4.0 * 2**row.epoch

    result = runs.train("whole", **BUDGET, report=slower)
    assert hand.now - began <= 100 + 4.0 * 2 ** len(result.rows)
    assert result.record["ended_by"] == "budget"
    assert result.record["schedule_done"] < 1


def test_one_epoch_is_had_however_short_the_time(runs: Any, hand: Hand) -> None:
    notes: list[str] = []
    result = runs.train("whole", **{**BUDGET, "budget": "1s"}, note=notes.append)
    assert (len(result.rows), result.record["schedule_done"]) == (1, 1)
    assert notes == ["--budget 1s is too short for one epoch, which is had all the same"]


@pytest.mark.parametrize("marks", [[], [1, 5], [0, 5, 5], [0, 7, 6], [0, 200_000], [0, 1.5]])
def test_marks_that_can_not_be_are_damage(runs: Any, hand: Hand, marks: list[Any]) -> None:
    with pytest.raises(AugcliError, match="stopped by SIGINT"):
        runs.train("run", stop_at=(1, 4), **BUDGET)
    path = runs.folder("run") / "last.pt"
    torch.save({**torch.load(path, weights_only=True), "marks": marks}, path)
    with pytest.raises(AugcliError, match="is damaged: its marks"):
        runs.train("run", resume=True, **BUDGET)
