"""A whole benchmark: what is measured, kept, gone on with, and refused."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from augcli.manifests.errors import AugcliError, Interrupted, UsageError
from augcli.train.comparisons import benchmarking, checks, measuring, training_all, trainings
from augcli.train.comparisons.benchmarking import benchmark
from augcli.train.comparisons.config import BenchmarkConfig
from augcli.train.comparisons.folder import BENCHMARK
from augcli.train.comparisons.measurements import (
    ArmThroughput,
    Measurements,
    Repeated,
    Throughput,
    read_measurements,
)
from augcli.train.comparisons.planning import Costs
from augcli.train.config import TrainConfig
from augcli.train.record import Row
from augcli.train.world import NAMES

pytestmark = pytest.mark.usefixtures("sketches", "tiny", "no_report")


@pytest.fixture(scope="module", autouse=True)
def no_report() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("write_report", "sample_views"):
            patch.setattr(benchmarking, name, lambda *_: None)
        yield


def config_for(data: Path, out: Path, **options: Any) -> BenchmarkConfig:
    small: dict[str, Any] = {
        "policy": "rotate-flip", "model": "tiny", "size": 16, "batch_size": 6, "epochs": 2,
        "seeds": 2, "copies": "1,2", "opt": "adamw", "lr": 0.003, "workers": 0, "device": "cpu",
    }  # fmt: skip
    return BenchmarkConfig(data=str(data), out=out, **{**small, **options})


@pytest.fixture(scope="module")
def config(split_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> BenchmarkConfig:
    out = tmp_path_factory.mktemp("benchmark")
    every = "none,on-the-fly,shards,residual,originals"
    return config_for(split_photos, out, arms=every, corruptions="brightness")


@pytest.fixture(scope="module")
def found(config: BenchmarkConfig, tiny: str, sketches: None) -> Measurements:
    return benchmark(config).measurements


@pytest.fixture
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Throughput that is made up: that it is measured, the whole benchmark shows."""
    rate = Repeated((1000.0, 1100.0))

    def made_up(setups: Any, arms: Any, memory: str, hear: Any) -> Throughput:
        rows = (ArmThroughput(arm.name, rate, None, rate, 0.1, 0.001, None, 0) for arm in arms)
        return Throughput(6, rate, tuple(rows))

    monkeypatch.setattr(measuring, "measure_throughput", made_up)


@pytest.fixture
def out(found: Measurements, config: BenchmarkConfig, tmp_path: Path) -> Path:
    """A folder in which the expansion is there already: making it takes longer than training."""
    folder = tmp_path / "my out"
    shutil.copytree(config.out / "expanded", folder / "expanded")
    shutil.copy(config.out / BENCHMARK.mark, folder)
    return folder


class Trained:
    """In the place of `train`: notes what is trained; a signal comes before number `stop`, or in
    an epoch."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        stop: int | None = None,
        signal_in_epoch: int | None = None,
    ) -> None:
        self.seen: list[TrainConfig] = []
        self._stop, self._epoch, self._train = stop, signal_in_epoch, trainings.train
        monkeypatch.setattr(trainings, "train", self)

    def __call__(self, config: TrainConfig, report: Callable[..., None]) -> Any:
        if len(self.seen) == self._stop:
            raise Interrupted("stopped; augcli train … --resume", 2)
        self.seen.append(config)

        def hear(row: Row) -> None:
            if row.epoch == self._epoch:
                signal.raise_signal(signal.SIGINT)
            report(row)

        return self._train(config, report=hear)

    @property
    def folders(self) -> list[str]:
        """As `shards-1-0`: arm and seed."""
        return [str(config.out).rpartition("/")[2].rpartition("-")[0] for config in self.seen]


def test_every_arm_is_measured_on_every_seed(found: Measurements, config: BenchmarkConfig) -> None:
    names = [
        *("none", "on-the-fly", "shards-1", "shards-2", "shards-1+residual"),
        "originals+on-the-fly",
    ]
    assert [arm.name for arm in found.arms] == names
    assert [row.arm for row in found.throughput.arms] == names
    assert [(t.seed, t.arm) for t in found.trainings] == [(s, n) for s in (0, 1) for n in names]
    assert (found.train_images, found.test_images, found.split) == (18, 9, "test")
    for training in found.trainings:
        assert (training.epochs, training.steps, training.lr) == (2, 6, 0.003)
        right = training.correct_by_image(found.test_images)
        assert training.accuracy == pytest.approx(right.mean())
        labels = np.array(found.labels)
        recalls = [right[labels == label].mean() for label in range(3)]
        assert training.recalls == pytest.approx(recalls) and training.seconds > 0
        assert training.corrupted is not None and 0 <= training.corrupted <= 1
    assert [e.rounds for e in found.expansions] == [1, 2, 3]
    assert found.gave_up == () and found.peers == ()
    assert read_measurements(config.out / "measurements.json") == found


def test_none_differs_from_on_the_fly_and_first_rounds_do_not(found: Measurements) -> None:
    """One epoch of each round: with as many rounds as epochs, stored views don't repeat."""
    loss = {(t.arm, t.seed): t.log_loss for t in found.trainings}
    for seed in (0, 1):
        assert loss["shards-1", seed] == loss["shards-2", seed]
        assert loss["shards-1", seed] != loss["none", seed] != loss["on-the-fly", seed]
    assert loss["none", 0] != loss["none", 1]


def test_the_same_command_takes_over_everything(
    found: Measurements, config: BenchmarkConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = Trained(monkeypatch)
    for module, name in (
        (measuring, "measure_throughput"),
        (training_all, "accuracies_under_corruptions"),
    ):
        monkeypatch.setattr(module, name, lambda *_: pytest.fail("measured again"))
    assert benchmark(config).measurements == found
    assert trained.seen == []


@pytest.mark.usefixtures("no_clock")
def test_only_what_is_new_is_trained(
    found: Measurements, config: BenchmarkConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = Trained(monkeypatch)
    more = dataclasses.replace(config, arms="none,shards", copies="1,3", seeds=3, corruptions=None)
    again = benchmark(more).measurements
    assert trained.folders == ["shards-3-0", "shards-3-1", "none-2", "shards-1-2", "shards-3-2"]
    old = {(t.arm, t.seed): dataclasses.replace(t, corrupted=None) for t in found.trainings}
    for training in again.trainings:
        if (key := (training.arm, training.seed)) in old:
            assert training == old[key]
    assert [e.rounds for e in again.expansions] == [2, 4]


@pytest.mark.usefixtures("no_clock")
def test_an_interrupted_one_goes_on(
    split_photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_for(split_photos, out, arms="none,shards", copies="1", seeds=2)
    with monkeypatch.context() as patch:
        trained = Trained(patch, stop=1)
        with pytest.raises(Interrupted) as stopped:
            benchmark(config)
    assert trained.folders == ["none-0"]
    assert f"what was finished is kept in {out}; go on with: augcli benchmark --data" in str(
        stopped.value
    )
    assert f"--out '{out}'" in str(stopped.value) and stopped.value.exit_code == 130
    trained = Trained(monkeypatch)
    assert len(benchmark(config).measurements.trainings) == 4
    assert trained.folders == ["shards-1-0", "none-1", "shards-1-1"]


@pytest.mark.usefixtures("no_clock")
@pytest.mark.parametrize("copies", ["1", "1,2"])
def test_a_training_goes_on_in_its_midst_or_begins_anew(
    copies: str, split_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With more copies the expansion grows, and is not the one any more that training began with;
    the views that it had are."""
    config = config_for(split_photos, tmp_path / "cut", arms="none,shards", copies="1", seeds=1)
    whole = benchmark(dataclasses.replace(config, out=tmp_path / "whole")).measurements
    with monkeypatch.context() as patch:
        Trained(patch, signal_in_epoch=1)
        with pytest.raises(Interrupted, match="go on with: augcli benchmark"):
            benchmark(config)
    trained = Trained(monkeypatch)
    again = benchmark(dataclasses.replace(config, copies=copies)).measurements
    anew = [] if copies == "1" else ["none-0"]
    assert trained.folders == ["none-0", *anew, *(f"shards-{n}-0" for n in copies.split(","))]
    assert [config.resume for config in trained.seen][:2] == [True, False]
    losses = {t.arm: t.log_loss for t in again.trainings}
    assert all(losses[t.arm] == t.log_loss for t in whole.trainings)


@pytest.mark.usefixtures("no_clock")
def test_a_kill_before_the_measurement_does_not_train_again(
    split_photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_for(split_photos, out, arms="none,shards", copies="1", seeds=1)
    with monkeypatch.context() as patch:
        patch.setattr(trainings.Trainings, "_measured", lambda *_: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            benchmark(config)
    before = (next((out / "trainings").iterdir()) / "summary.csv").stat().st_mtime_ns
    measured = benchmark(config).measurements
    first = next((out / "trainings").glob("none-0-*"))
    assert (first / "summary.csv").stat().st_mtime_ns == before
    assert not (first / "last.pt").exists() and (first / "best.pt").exists()
    assert len(measured.trainings) == 2


@pytest.mark.usefixtures("no_clock")
def test_several_policies_in_both_modes(split_photos: Path, tmp_path: Path) -> None:
    config = config_for(
        split_photos, tmp_path, policy=None, policies="none,basic,rotate-flip+basic",
        copies="1", seeds=1, epochs=1,
    )  # fmt: skip
    found = benchmark(config).measurements
    assert [t.arm for t in found.trainings] == [
        *("none", "on-the-fly:basic", "shards-1:basic"),
        *("on-the-fly:rotate-flip+basic", "shards-1:rotate-flip+basic"),
    ]
    assert found.policies == ("none", "basic", "rotate-flip+basic")
    assert [(e.policy, e.rounds) for e in found.expansions] == [
        ("basic", 2),
        ("rotate-flip+basic", 2),
    ]


@pytest.mark.usefixtures("no_clock")
def test_a_budget_is_kept_and_what_it_gives_up_is_said(
    split_photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_for(
        split_photos, out, copies="1,2,3", seeds=4, epochs=4, budget="1000s", against="ffcv"
    )
    monkeypatch.setattr(measuring, "expected_costs", costs_of_100_seconds_an_epoch)
    said: list[str] = []
    found = benchmark(config, tell=said.append).measurements
    # 3 seeds of 2 epochs of on the fly, none and the most copies would take 1,800 s.
    assert [arm.name for arm in found.arms] == ["none", "on-the-fly", "shards-3"]
    assert {t.epochs for t in found.trainings} == {1}
    assert found.gave_up == ("--against ffcv", "epochs: 1 instead of 4", "arms: shards-1, shards-2")
    assert said == [f"--budget 1000s: {line}" for line in found.gave_up]
    assert len(found.trainings) == 4 * 3  # there was time for all seeds after all
    monkeypatch.setattr(measuring, "expected_costs", lambda *_: pytest.fail("planned again"))
    assert benchmark(config).measurements == found


@pytest.mark.usefixtures("no_clock")
@pytest.mark.parametrize(
    "other", [{"stem": "standard"}, {"batch_size": 9}, {"precision": "bf16"}, {"workers": 1}]
)
def test_other_costs_are_planned_for_anew(
    other: dict[str, Any], split_photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_for(split_photos, out, arms="none,shards", copies="1", budget="1000s")
    planned: list[str] = []

    def costs(*given: Any) -> Costs:
        planned.append("")
        return costs_of_100_seconds_an_epoch(*given)

    def stop(*_: Any) -> None:
        raise Interrupted("planned", 2)

    monkeypatch.setattr(measuring, "expected_costs", costs)
    monkeypatch.setattr(measuring.Trainer, "train", stop)
    for asked in (config, config, dataclasses.replace(config, **other)):
        with pytest.raises(Interrupted):
            benchmark(asked)
    assert len(planned) == 2


def costs_of_100_seconds_an_epoch(setups: Any, arms: Any, *more: Any) -> Costs:
    names = [arm.name for arm in arms]
    return Costs(dict.fromkeys(names, 100.0), dict.fromkeys(names, 0.0), 0.0, 0.0, 10.0)


@pytest.mark.usefixtures("no_clock")
def test_seeds_that_there_is_no_time_for(
    split_photos: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_for(
        split_photos, out, arms="none,shards", copies="1", epochs=1, seeds=4, budget="1000s"
    )
    monkeypatch.setattr(measuring.Measuring, "_until", lambda self: -1.0)
    monkeypatch.setattr(measuring.Measuring, "_plan", lambda self, *_: self._wish)
    found = benchmark(config).measurements
    assert [t.seed for t in found.trainings] == [0, 0, 1, 1]
    assert found.gave_up == ("seeds: 2 instead of 4",)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"policy": "nonsense"}, "nonsense"),
        ({"data": "nowhere"}, "nowhere"),
        ({"seeds": 0}, "seeds"),
        ({"budget": "soon"}, "--budget: 'soon' is no duration"),
        ({"corruptions": "rain"}, "--corruptions: unknown 'rain'"),
        ({"against": "pickle"}, "unknown peer in --against 'pickle': choose from ffcv"),
        ({"memory": "much"}, "--memory"),
        ({"lr": "best"}, "--lr: unknown 'best': choose from auto, shared or a number"),
        ({"model": "smal"}, "unknown model"),
    ],
)
def test_a_wrong_request_changes_nothing(
    wrong: dict[str, Any], message: str, tmp_path: Path, split_photos: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        benchmark(dataclasses.replace(config_for(split_photos, tmp_path / "out"), **wrong))
    assert not (tmp_path / "out").exists()


def test_out_among_the_images_is_refused(split_photos: Path) -> None:
    with pytest.raises(UsageError, match="lies inside --data"):
        benchmark(config_for(split_photos, split_photos / "train" / "out"))


def test_nothing_to_compare_on_is_said_at_once(
    tmp_path: Path, split_photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    shutil.copytree(split_photos / "train", data / "train")
    (data / "train").rename(data / "training")
    reference = checks.load_reference

    def without_splits(spec: str) -> object:
        return reference(spec, val_fraction=0.0, test_fraction=0.0)

    monkeypatch.setattr(checks, "load_reference", without_splits)
    with pytest.raises(AugcliError, match="neither test nor validation"):
        benchmark(config_for(data / "training", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_paths_may_be_text_from_python(found: Measurements, config: BenchmarkConfig) -> None:
    out: Any = str(config.out)
    again = benchmark(dataclasses.replace(config, out=out)).measurements
    assert again.trainings == found.trainings
    assert json.loads((config.out / "measurements.json").read_text())["config"]["out"] == out


def test_it_measures_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(NAMES, ("1", "2", "1", "2"), strict=True):
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="start it without torchrun"):
        benchmark(BenchmarkConfig(out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()
