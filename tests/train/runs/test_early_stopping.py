"""A run ends when validation has not got better for some epochs, and says so."""

from __future__ import annotations

from typing import Any

import pytest

from augcli.manifests.errors import UsageError
from augcli.train.config import TrainConfig
from augcli.train.ending import why_ended
from augcli.train.order import Share
from augcli.train.pace import Stage, Timeline

HOPELESS = {"opt": "sgd", "lr": 1e-9, "sched": "constant", "epochs": 9, "early_stopping": 2}


def test_patience_counts_epochs_in_turn_without_a_new_best() -> None:
    config = TrainConfig(epochs=10, early_stopping=3)
    timeline = Timeline((Stage(0, 8, 4),), 16, Share(), 40, tuple(range(0, 41, 4)))
    assert why_ended(config, timeline, 0, None) is None
    assert why_ended(config, timeline, 6, 4) is None
    assert why_ended(config, timeline, 7, 4) == "early-stopping"
    assert why_ended(config, timeline, 10, 9) == "epochs"
    assert why_ended(TrainConfig(epochs=10), timeline, 9, 1) is None


def test_patience_begins_with_the_last_size() -> None:
    config = TrainConfig(epochs=10, early_stopping=3)
    stages = (Stage(0, 8, 4), Stage(20, 16, 4))  # the last one from epoch 6 on
    timeline = Timeline(stages, 16, Share(), 40, tuple(range(0, 41, 4)))
    assert [why_ended(config, timeline, epochs, 1) for epochs in (4, 5, 7)] == [None, None, None]
    assert why_ended(config, timeline, 8, 1) == "early-stopping"
    assert why_ended(config, timeline, 8, 6) is None


def test_a_run_that_gets_no_better_ends_and_is_measured(runs: Any) -> None:
    """A rate that learns nothing: what moves is the statistics of batch normalisation alone."""
    result = runs.train("whole", **HOPELESS)
    epochs = len(result.rows)
    assert result.best_epoch == epochs - 2 < 7
    record = result.record
    assert (record["ended_by"], record["epochs"]) == ("early-stopping", epochs)
    assert record["steps"] == 4 * epochs
    assert record["test"]["n"] == 11
    runs.in_pieces("pieces", [(1, 2), (epochs, 4)], **HOPELESS)
    runs.assert_same("pieces", "whole")
    (runs.folder("pieces") / "run.json").unlink()
    assert runs.train("pieces", resume=True, **HOPELESS).record["epochs"] == epochs


def test_a_run_that_gets_better_has_all_its_epochs(runs: Any) -> None:
    record = runs.train("whole", early_stopping=3).record
    assert (record["ended_by"], record["epochs"], record["steps"]) == ("epochs", 3, 12)


def test_validation_is_needed(runs: Any) -> None:
    with pytest.raises(UsageError, match=r"--early-stopping.*no validation images"):
        runs.train("whole", sources=runs.sources(validation=False), early_stopping=1)
    assert not runs.folder("whole").exists()
