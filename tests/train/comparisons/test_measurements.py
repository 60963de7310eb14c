"""The records of a benchmark: JSON holds all of them, exactly."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from augcli.manifests.errors import AugcliError
from augcli.train.comparisons.measurements import (
    VERSION,
    Arm,
    ArmThroughput,
    Expansion,
    Measurements,
    PeerRow,
    Repeated,
    Throughput,
    Training,
    packed,
    read_measurements,
    read_record,
    write_record,
)

RIGHT = np.array([True, False, True, True, False, False, True, False, True, True])


@pytest.fixture
def measurements() -> Measurements:
    none = Arm("none", "none", "none")
    shards = Arm("shards-2+residual", "shards", "side-on", rounds=3, residual="flip")
    rate = Repeated((math.pi * 100, 1 / 3, 200.0))
    training = Training(
        "none", 0, 1e-3, 2, 20, 3.25, 0.6, 0.1 + 0.2, (0.5, None, 1.0), packed(RIGHT), None
    )
    return Measurements(
        version=VERSION,
        command="augcli benchmark --data 'photos élan'",
        config={"data": None, "copies": "1,2", "epochs": 3, "lr": 1e-4, "json": [1, {"a": None}]},
        machine={"cores": 2, "versions": {"torch": "2.9"}, "cuda": None},
        dataset="photos",
        classes=("élan", "b", "c"),
        train_images=7,
        test_images=len(RIGHT),
        split="test",
        arms=(none, shards),
        throughput=Throughput(
            32,
            rate,
            (
                ArmThroughput("none", rate, None, rate, 0.25, 1e-4, None, 0),
                ArmThroughput("shards-2+residual", rate, rate, rate, 1 / 7, 2e-5, 1234.5, 2),
            ),
        ),
        expansions=(Expansion("side-on", 3, 1.5, 2.5, 30, 12345),),
        trainings=(training, replace(training, arm=shards.name, corrupted=0.1)),
        policies=("side-on",),
        gave_up=("seeds: 2 of 3",),
        peers=(PeerRow("ffcv", "shards-2+residual", None, None, "not installed"),),
    )


def test_json_holds_measurements_exactly(measurements: Measurements) -> None:
    text = json.dumps(measurements.to_json(), allow_nan=False)
    assert Measurements.from_json(json.loads(text)) == measurements


def test_a_file_holds_measurements_exactly(measurements: Measurements, tmp_path: Path) -> None:
    write_record(tmp_path / "m.json", measurements)
    assert read_measurements(tmp_path / "m.json") == measurements


def test_fields_that_came_later_may_be_missing(measurements: Measurements) -> None:
    content = measurements.to_json()
    del content["peers"], content["trainings"][0]["corrupted"]
    assert Measurements.from_json(content) == replace(measurements, peers=())


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("version", 0, "version"),
        ("classes", "abc", "Measurements.classes: expected a list"),
        ("train_images", "7", "Measurements.train_images: expected int"),
        ("train_images", True, "Measurements.train_images: expected int"),
        ("throughput", [], "Throughput: expected an object"),
        ("trainings", [{"arm": "none"}], "Training.seed is missing"),
    ],
)
def test_what_is_no_such_record_is_refused(
    measurements: Measurements, tmp_path: Path, field: str, value: object, said: str
) -> None:
    content = {**measurements.to_json(), field: value}
    with pytest.raises(ValueError, match=said):
        Measurements.from_json(content)
    path = tmp_path / "m.json"
    path.write_text(json.dumps(content))
    with pytest.raises(AugcliError, match=said):
        read_measurements(path)


def test_a_torn_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "training.json"
    path.write_text('{"arm": "no')
    with pytest.raises(AugcliError, match=r"training\.json: not a record"):
        read_record(path, Training)


def test_what_was_recognised_comes_back_by_image(measurements: Measurements) -> None:
    training = measurements.trainings[0]
    assert training.correct_by_image(len(RIGHT)).tolist() == RIGHT.tolist()
    assert len(training.correct) == 2


def test_repeated_measurements() -> None:
    rate = Repeated((3.0, 1.0, 2.0, 10.0))
    assert (rate.median, rate.least, rate.greatest) == (2.5, 1.0, 10.0)
    assert rate.overlaps(Repeated((10.0, 12.0)))
    assert not rate.overlaps(Repeated((10.1, 12.0)))


def test_what_belongs_to_an_arm_is_found(measurements: Measurements) -> None:
    none, shards = measurements.arms
    assert measurements.arm("none") is none
    assert (none.copies, shards.copies) == (None, 2)
    assert [t.arm for t in measurements.trainings_of(shards.name)] == [shards.name]
    assert measurements.expansion_of(shards) is measurements.expansions[0]
    assert measurements.expansion_of(none) is None
    assert measurements.throughput.of("none").workers == 0
