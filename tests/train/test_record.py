"""The files of a run read back as what was written."""

from __future__ import annotations

import csv
import dataclasses
import math
from pathlib import Path

import pytest
import yaml

from augcli.manifests.errors import AugcliError
from augcli.train.config import TrainConfig
from augcli.train.identity import differences, plain_config
from augcli.train.record import Row, read_record, write_args, write_record, write_summary

ROW = Row(1, 1 / 3, 0.1 + 0.2, None, None, 1e-17, 2.5, 0.5, 1e9 / 7)


def test_summary_round_trips_to_the_last_bit(tmp_path: Path) -> None:
    write_summary(tmp_path / "summary.csv", [ROW, dataclasses.replace(ROW, epoch=2, val_loss=0.7)])
    with open(tmp_path / "summary.csv", newline="") as file:
        first, second = csv.DictReader(file)
    assert list(first) == [
        "epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr", "seconds",
        "data_wait_seconds", "images_per_second", "skipped", "validation_seconds", "size",
        "batch_size",
    ]  # fmt: skip
    assert float(first["train_accuracy"]) == ROW.train_accuracy
    assert float(first["images_per_second"]) == ROW.images_per_second
    assert (first["epoch"], first["val_loss"], second["val_loss"]) == ("1", "", "0.7")


def test_args_are_the_config(tmp_path: Path) -> None:
    config = TrainConfig(shards=Path("a b/ü"), lr=1e-3, data="on: [x]", seed=2**40)
    write_args(tmp_path / "args.yaml", plain_config(config))
    loaded = yaml.safe_load((tmp_path / "args.yaml").read_text(encoding="utf-8"))
    assert loaded == plain_config(config)
    assert TrainConfig(**{**loaded, "shards": Path(loaded["shards"])}) == config


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_the_record_holds_finite_numbers_only(tmp_path: Path, bad: float) -> None:
    path = tmp_path / "run.json"
    write_record(path, {"test": {"accuracy": 0.5}})
    assert read_record(path)["test"] == {"accuracy": 0.5}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_record(path, {"test": {"accuracy": bad}})
    assert read_record(path)["test"] == {"accuracy": 0.5}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "other"}'])
def test_a_damaged_or_foreign_record_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(AugcliError, match=r"run\.json: not"):
        read_record(tmp_path / "run.json")


def test_differences_are_one_line_each() -> None:
    before = {"config": {"lr": 0.1, "seed": 0}, "source": {"a": {"b": [1, 2]}, "gone": 1}}
    now = {"config": {"lr": None, "seed": 0}, "source": {"a": {"b": [1, 3]}, "new": "x"}}
    assert differences(before, before) == []
    assert differences(before, now) == [
        "--lr: was 0.1, is now null",
        "source.a.b: was [1, 2], is now [1, 3]",
        "source.gone: was 1, is now absent",
        'source.new: was absent, is now "x"',
    ]
