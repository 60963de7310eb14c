"""Learning rates by arm, and accuracy under corruptions of many models at once."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from augcli.manifests.errors import AugcliError
from augcli.train.comparisons import learning_rates
from augcli.train.comparisons.measurements import Arm
from augcli.train.comparisons.robustness import accuracies_under_corruptions
from augcli.train.comparisons.setups import Setups
from augcli.train.comparisons.training_all import Rates
from augcli.train.comparisons.trainings import Trainings, Wanted
from augcli.train.dataset import open_dataset
from augcli.train.evaluation.predictions import Predictor
from augcli.train.evaluation.robustness import measure_robustness
from augcli.train.rates.range_test import RangeTest
from augcli.train.trained import load_trained

pytestmark = pytest.mark.usefixtures("sketches", "tiny")

FRESH = Arm("on-the-fly", "on-the-fly", "rotate-flip")
ONE = Arm("shards-1", "shards", "rotate-flip", rounds=2)
NAMES = ("brightness", "jpeg")


@pytest.fixture
def wanted(setups: Setups) -> Any:
    def make(arm: Arm, seed: int = 0) -> Wanted:
        return Wanted(arm.name, setups.training(arm, seed), setups.views_identity(arm))

    return make


@pytest.mark.parametrize(("asked", "tested"), [("auto", 2), ("shared", 1), (0.5, 0), (None, 0)])
def test_the_rate_of_each_arm(
    asked: float | str | None,
    tested: int,
    wanted: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str] = []
    test_of = learning_rates.range_test_of

    def noted(config: Any, *more: Any) -> RangeTest:
        seen.append(config.source)
        return test_of(config, *more)

    def picks(test: RangeTest, rule: str) -> tuple[str, float]:
        return rule, {"on-the-fly": 0.01, "shards": 0.02}[seen[-1]]

    monkeypatch.setattr(learning_rates, "range_test_of", noted)
    monkeypatch.setattr(learning_rates, "draw_range_test", lambda path, test: None)
    monkeypatch.setattr(RangeTest, "pick", picks)
    said: list[str] = []
    rates = Rates(tmp_path, asked, FRESH, said.append)
    expected = {"auto": (0.01, 0.02), "shared": (0.01, 0.01)}.get(str(asked), (asked, asked))
    for _ in range(2):  # kept the second time
        assert (rates.of(FRESH, wanted), rates.of(ONE, wanted)) == expected
    assert len(seen) == len(said) == tested


def test_an_arm_without_a_rate_is_named(
    wanted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(test: RangeTest, rule: str) -> tuple[str, float]:
        raise AugcliError("no rule finds one")

    monkeypatch.setattr(RangeTest, "pick", none)
    monkeypatch.setattr(learning_rates, "draw_range_test", lambda path, test: None)
    with pytest.raises(AugcliError, match=r"shards-1: no rule finds one; give a number with --lr"):
        Rates(tmp_path, "auto", FRESH, print).of(ONE, wanted)


def test_many_models_are_measured_as_each_alone(wanted: Any, tmp_path: Path) -> None:
    trainings = Trainings(tmp_path, "test")
    several = [wanted(FRESH), wanted(ONE), wanted(ONE, 1)]
    for each in several:
        trainings.train(each, lambda row: None)
    folders = [trainings.run(each).folder for each in several]
    views = open_dataset(several[0].config).views
    device, heard = torch.device("cpu"), list[int]()
    found = accuracies_under_corruptions(
        folders,
        views("test"),
        NAMES,
        device,
        0,
        lambda done, total: heard.append(done),
    )
    assert heard == list(range(10))
    for folder, accuracy in zip(folders, found, strict=True):
        predictor = Predictor(load_trained(folder, device), device, 4, 0)
        plain = next(predictor.each(views("test")))
        alone = measure_robustness(NAMES, views("test"), 16, plain, predictor)
        assert accuracy == pytest.approx(alone.mean)


def test_versions_and_options_decide_a_training_and_places_do_not(
    wanted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainings, one = Trainings(tmp_path, "test"), wanted(ONE)
    folder = trainings.run(one).folder
    elsewhere = dataclasses.replace(one.config, shards="/elsewhere", memory="0", workers=3)
    assert trainings.run(dataclasses.replace(one, config=elsewhere)).folder == folder
    for change in ({"config": dataclasses.replace(one.config, seed=1)}, {"views": "other"}):
        assert trainings.run(dataclasses.replace(one, **change)).folder != folder
    monkeypatch.setattr(
        "augcli.train.comparisons.trainings.package_versions", lambda names: {"torch": "99"}
    )
    assert trainings.run(one).folder != folder
