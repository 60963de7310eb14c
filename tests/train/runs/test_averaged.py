"""Whole runs with averages of weights and snapshots, whole and interrupted."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from augcli.manifests.errors import AugcliError, UsageError
from augcli.train import alternatives
from augcli.train.checkpoint import Checkpoint, load_checkpoint
from augcli.train.evaluate import Evaluation

CYCLES = {"sched": "cyclic", "cycle_len": 1, "snapshots": True}


def saved(runs: Any, name: str, file: str) -> Checkpoint:
    return load_checkpoint(runs.folder(name) / file)


@pytest.mark.parametrize(
    "more",
    [
        {"ema": 0.9},
        {"swa_start": 0.3},
        {**CYCLES, "ema": 0.7, "swa_start": 0.6, "sizes": "8,16", "size_batches": "auto"},
    ],
    ids=["ema", "swa", "all together"],
)
def test_resumed_is_as_never_interrupted(runs: Any, more: dict[str, Any]) -> None:
    runs.train("whole", **more)
    runs.in_pieces("pieces", [(1, 1), (2, 1), (3, 2), (3, 4)], **more)
    runs.assert_same("pieces", "whole")
    (runs.folder("pieces") / "run.json").unlink()
    runs.train("pieces", resume=True, **more)
    runs.assert_same("pieces", "whole")


def test_the_moving_average_is_validated_and_kept(runs: Any) -> None:
    """With a decay of 0 it is the weights themselves."""
    plain, none, slow = (runs.train(str(ema), ema=ema) for ema in (None, 0.0, 0.9))
    losses = [[row.val_loss for row in result.rows] for result in (plain, none, slow)]
    assert losses[0] == losses[1] != losses[2]
    assert [row.train_loss for row in plain.rows] == [row.train_loss for row in slow.rows]
    best, last = saved(runs, "0.9", "best.pt"), saved(runs, "0.9", "last.pt")
    assert (best.weights, best.ema) == ("ema", {})
    assert slow.record["weights"] == "ema"
    if best.epoch == last.epoch:
        assert all(torch.equal(tensor, last.ema[name]) for name, tensor in best.model.items())
    assert not torch.equal(last.model["layers.0.weight"], last.ema["layers.0.weight"])


def test_swa_is_the_mean_of_the_last_epochs(runs: Any) -> None:
    weights: list[torch.Tensor] = []

    def keep(row: Any) -> None:
        weights.append(saved(runs, "whole", "last.pt").model["layers.6.weight"])

    record = runs.train("whole", swa_start=0.5, report=keep).record
    assert record["swa"]["epochs"] == 2
    averaged = saved(runs, "whole", "swa.pt")
    assert averaged.weights == "swa"
    torch.testing.assert_close(averaged.model["layers.6.weight"], (weights[1] + weights[2]) / 2)
    assert averaged.model["layers.1.num_batches_tracked"] == 4


@pytest.mark.parametrize("accuracy", [0.0, 1.0])
def test_swa_becomes_the_best_if_validation_says_so(
    runs: Any, monkeypatch: pytest.MonkeyPatch, accuracy: float
) -> None:
    """And test says nothing."""
    seen: list[int] = []
    evaluate = alternatives.evaluate

    def told(model: Any, source: Any, *more: Any) -> Evaluation:
        seen.append(source.samples)
        found = evaluate(model, source, *more)
        judged = accuracy if source.samples == 13 else 1 - accuracy
        return dataclasses.replace(found, accuracy=judged, loss=1e-4)

    monkeypatch.setattr(alternatives, "evaluate", told)
    result = runs.train("whole", swa_start=0.5)
    record, best = result.record, saved(runs, "whole", "best.pt")
    assert seen == [13, 11]
    assert record["swa"]["is_best"] == bool(accuracy)
    assert record["weights"] == best.weights == ("swa" if accuracy else "raw")
    expected = 1.0 if accuracy else result.rows[result.best_epoch - 1].val_accuracy
    assert record["validation"]["accuracy"] == expected
    assert record["swa"]["validation"]["accuracy"] == accuracy
    assert best.epoch == (3 if accuracy else result.best_epoch)


def test_swa_without_validation_and_before_its_time(runs: Any) -> None:
    alone = runs.sources(validation=False, test=False)
    assert runs.train("alone", swa_start=0.9, sources=alone).record["weights"] == "swa"
    hopeless = {"opt": "sgd", "lr": 1e-9, "early_stopping": 1, "epochs": 9, "sched": "constant"}
    early = runs.train("early", swa_start=0.95, **hopeless).record
    assert early["swa"] is None and not (runs.folder("early") / "swa.pt").exists()


def test_a_snapshot_at_each_cycles_end_and_all_of_them_together(runs: Any) -> None:
    record = runs.train("whole", **CYCLES, ema=0.9).record
    snapshots = [saved(runs, "whole", f"snapshot-{number}.pt") for number in (1, 2, 3)]
    assert [(each.epoch, each.batch, each.weights) for each in snapshots] == [
        (0, 4, "raw"), (1, 4, "raw"), (2, 4, "raw"),
    ]  # fmt: skip
    last = saved(runs, "whole", "last.pt")
    assert last.snapshots == [4, 8, 12]
    assert torch.equal(snapshots[2].model["layers.6.weight"], last.model["layers.6.weight"])
    ensemble = record["snapshots"]
    assert ensemble["count"] == 3
    assert (ensemble["validation"]["n"], ensemble["test"]["n"]) == (13, 11)
    assert 0 < ensemble["test"]["loss"] < 2


def test_a_snapshot_that_is_not_this_runs_is_named(runs: Any) -> None:
    runs.train("whole", **CYCLES)
    first = runs.folder("whole") / "snapshot-1.pt"
    (runs.folder("whole") / "run.json").unlink()
    whole = first.read_bytes()
    first.write_bytes((runs.folder("whole") / "snapshot-2.pt").read_bytes())
    with pytest.raises(
        AugcliError, match=r"snapshot-1\.pt: is damaged.*isn't this run's snapshot 1"
    ):
        runs.train("whole", resume=True, **CYCLES)
    first.unlink()
    with pytest.raises(AugcliError, match=r"snapshot-1\.pt: there is no checkpoint here"):
        runs.train("whole", resume=True, **CYCLES)
    first.write_bytes(whole)
    assert runs.train("whole", resume=True, **CYCLES).record["snapshots"]["count"] == 3


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"snapshots": True, "sched": "constant"}, "--snapshots are taken where cycles"),
        ({"snapshots": True, "sched": "sgdr", "cycle_len": 9}, "has no whole one in this run"),
        ({"ema": 1.0}, "--ema: 1.0 is too large: it must be below 1.0"),
        ({"swa_start": 1.5}, "--swa-start: 1.5 is too large"),
    ],
)
def test_bad_options_are_named(runs: Any, more: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        runs.train("run", **more)
    assert not runs.folder("run").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [("ema", {}), ("swa", {}), ("swa_epochs", 9), ("snapshots", [4, 3]), ("snapshots", [4, 99])],
)
def test_averages_that_can_not_be_are_damage(runs: Any, name: str, value: object) -> None:
    more = {**CYCLES, "ema": 0.9, "swa_start": 0.0, "epochs": 2}
    with pytest.raises(AugcliError, match="stopped by SIGINT"):
        runs.train("run", stop_at=(2, 1), **more)
    path = runs.folder("run") / "last.pt"
    torch.save({**torch.load(path, weights_only=True), name: value}, path)
    with pytest.raises(AugcliError, match="is damaged"):
        runs.train("run", resume=True, **more)
