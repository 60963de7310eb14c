"""A file of a run that says what can't be so is named, with what to do; nothing goes on from it."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from augcli.manifests.errors import AugcliError, Interrupted
from augcli.train.checkpoint import load_checkpoint
from augcli.train.config import OPTIMISERS, TrainConfig
from augcli.train.epoch import Progress
from augcli.train.finish import TrainResult
from augcli.train.restoring import optimizer_state_of
from augcli.train.run import train

Change = Callable[[dict[str, Any]], object]

pytestmark = pytest.mark.usefixtures("sketches", "tiny")


def go(data: Path, out: Path, **more: Any) -> TrainResult:
    stop_at = more.pop("stop_at", None)

    def progress(step: Progress) -> None:
        if (step.epoch, step.batch) == stop_at:
            signal.raise_signal(signal.SIGINT)

    config = TrainConfig(
        data=str(data), model="tiny", size=16, epochs=3, batch_size=8, workers=0, out=out,
        device="cpu",
    )  # fmt: skip
    return train(dataclasses.replace(config, **more), progress=progress)


@pytest.fixture(scope="module")
def stopped(split_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run interrupted after the second batch of the second epoch."""
    out = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.raises(Interrupted):
        go(split_photos, out, stop_at=(2, 2))
    return out


@pytest.fixture(scope="module")
def finished(split_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished") / "run"
    go(split_photos, out)
    return out


def set_to(name: str, value: object) -> Change:
    return lambda content: content.update({name: value})


def inside(name: str, **values: object) -> Change:
    return lambda content: content[name].update(values)


def in_row(**values: object) -> Change:
    return lambda content: content["history"][0].update(values)


def reshape_model(content: dict[str, Any]) -> None:
    name = next(iter(content["model"]))
    content["model"][name] = torch.zeros(2, 2)


def reshape_optimizer(content: dict[str, Any]) -> None:
    content["optimizer"]["state"][0]["exp_avg"] = torch.zeros(2, 2)


def thin_optimizer(content: dict[str, Any]) -> None:
    del content["optimizer"]["state"][0]["exp_avg"]


DAMAGE: dict[str, tuple[Change, str]] = {
    "epoch below": (set_to("epoch", -5), "epoch is -5 instead of 0 to 3"),
    "epoch above": (set_to("epoch", 4), "epoch is 4 instead of 0 to 3"),
    "epoch without history": (set_to("epoch", 2), "history has 1 rows after 2 epochs"),
    "batch": (set_to("batch", 9), "batch is 9 instead of 0 to 3"),
    "batch of other samples": (
        set_to("batch", 1),
        "totals: samples and skipped is 16 instead of 8",
    ),
    "best epoch": (set_to("best_epoch", 99), "best_epoch is 99 instead of 1"),
    "no best epoch": (set_to("best_epoch", None), "best_epoch is None instead of 1"),
    "true is no number": (set_to("epoch", True), "epoch is True"),
    "totals": (set_to("totals", {"loss_sum": 1.0}), "totals: not correct"),
    "loss": (inside("totals", loss_sum="x"), "totals: loss_sum is 'x'"),
    "nan": (inside("totals", loss_sum=float("nan")), "totals: loss_sum is nan"),
    "correct": (inside("totals", correct=17), "correct is 17 instead of 0 to 16"),
    "history": (set_to("history", [{"epoch": 1}]), "history, row 1: not "),
    "no row": (set_to("history", ["row"]), "history, row 1: not "),
    "row number": (in_row(epoch=2), "row 1: epoch is 2 instead of 1"),
    "row value": (in_row(train_loss=None), "row 1: train_loss is None"),
    "accuracy": (in_row(val_accuracy=1.5), "row 1: val_accuracy is 1.5"),
    "validation": (in_row(val_loss=None), "row 1: val_loss is None"),
    "model shape": (reshape_model, "size mismatch"),
    "no model": (set_to("model", {}), "Missing key"),
    "no tensors": (lambda content: content["model"].update(dict.fromkeys(content["model"], 1)), ""),
    "no optimizer": (set_to("optimizer", {}), "optimizer has no state"),
    "empty optimizer": (inside("optimizer", state={}), "optimizer has no state"),
    "optimizer shape": (reshape_optimizer, "exp_avg is no tensor of shape"),
    "thin optimizer": (thin_optimizer, "parameter 0: not exp_avg"),
    "other parameters": (inside("optimizer", state={999: {}}), "parameter is 999 instead of"),
    "no rng": (set_to("cpu_rng", None), "random state"),
    "short rng": (set_to("cpu_rng", torch.zeros(3, dtype=torch.uint8)), "RNG state"),
    "float rng": (set_to("cpu_rng", torch.zeros(5056)), ""),
    "thin plateau": (set_to("plateau", {"best": 1.0}), "plateau: not bad_epochs, best, factor"),
    "plateau": (inside("plateau", factor=0.5), "plateau is PlateauState(best=None"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_in_the_last_checkpoint(
    name: str, stopped: Path, split_photos: Path, tmp_path: Path
) -> None:
    change, message = DAMAGE[name]
    out = Path(shutil.copytree(stopped, tmp_path / "run"))
    content = torch.load(out / "last.pt", weights_only=True)
    change(content)
    torch.save(content, out / "last.pt")
    with pytest.raises(AugcliError) as refused:
        go(split_photos, out, resume=True)
    said = str(refused.value)
    assert said.startswith(f"{out / 'last.pt'}: is damaged: ") and message in said
    assert "start a new run in another --out" in said
    assert len(said) < 700


def test_what_the_optimizer_is_told_comes_from_the_config(
    stopped: Path, split_photos: Path, finished: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(stopped, tmp_path / "run"))
    content = torch.load(out / "last.pt", weights_only=True)
    content["optimizer"]["param_groups"] = [{"lr": "x"}]
    torch.save(content, out / "last.pt")
    rows = go(split_photos, out, resume=True).rows
    whole = go(split_photos, finished, resume=True).rows
    assert [(row.lr, row.epoch) for row in rows] == [(row.lr, row.epoch) for row in whole]


@pytest.mark.parametrize("opt", OPTIMISERS)
def test_every_optimiser_goes_on(opt: str, split_photos: Path, tmp_path: Path) -> None:
    for stop_at in ((1, 3), (2, 1), (3, 3)):
        with pytest.raises(Interrupted):
            go(split_photos, tmp_path / opt, opt=opt, stop_at=stop_at, resume=stop_at != (1, 3))
    assert len(go(split_photos, tmp_path / opt, opt=opt, resume=True).rows) == 3


@pytest.mark.parametrize("name", ["reshaped", "of another epoch", "cut"])
def test_damage_in_the_best_checkpoint(
    name: str, finished: Path, split_photos: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "run"))
    (out / "run.json").unlink()
    if name == "cut":
        (out / "best.pt").write_bytes(b"PK")
    else:
        content = torch.load(out / "best.pt", weights_only=True)
        reshape_model(content) if name == "reshaped" else content.update(epoch=77)
        torch.save(content, out / "best.pt")
    with pytest.raises(AugcliError, match=r"best\.pt: .*start a new run in another --out"):
        go(split_photos, out, resume=True)


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record.pop("best_epoch"),
        lambda record: record.update(best_epoch=9),
        lambda record: record.update(final_split="train"),
        lambda record: record.pop("test"),
        lambda record: record.update(test=3),
        lambda record: record["test"].update(accuracy="high"),
        lambda record: record["test"].update(interval_95=[0.5]),
        lambda record: record["test"].pop("n"),
        lambda record: record.update(classes=[]),
        lambda record: record.update(format="other"),
    ],
)
def test_a_thin_record_is_named_and_can_be_made_again(
    change: Change, finished: Path, split_photos: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "run"))
    record = json.loads((out / "run.json").read_text())
    change(record)
    (out / "run.json").write_text(json.dumps(record))
    with pytest.raises(AugcliError, match=r"run\.json: .*remove it .*--resume"):
        go(split_photos, out, resume=True)
    (out / "run.json").unlink()
    assert go(split_photos, out, resume=True).accuracy is not None


def test_a_scaler_of_gradients_may_have_left_out_all_steps(stopped: Path) -> None:
    """Its first scale is so large that the first steps of fp16 overflow as a rule."""
    checkpoint = load_checkpoint(stopped / "last.pt")
    fresh = dataclasses.replace(checkpoint, optimizer={"state": {}, "param_groups": []})
    with pytest.raises(ValueError, match="no state that suits"):
        optimizer_state_of(fresh, "adamw", [])
    scaled = dataclasses.replace(fresh, scaler={"scale": 32768.0})
    assert optimizer_state_of(scaled, "adamw", []) == {}
