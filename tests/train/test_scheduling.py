"""`augcli schedule`: what it says is what training does, and its picture is whole."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from augcli.augment.config import ExpandConfig
from augcli.augment.expansion import expand
from augcli.manifests.errors import AugcliError, UsageError
from augcli.train.config import ScheduleConfig, TrainConfig
from augcli.train.run import train
from augcli.train.schedule_picture import EARLIEST, LINE, WARMUP
from augcli.train.schedules.registry import SCHEDULES
from augcli.train.scheduling import MAX_POINTS, ScheduleResult, schedule
from augcli.train.summary import print_schedules


def forecast(**options: Any) -> ScheduleResult:
    return schedule(ScheduleConfig(**{"samples": 320, "batch_size": 32, **options}))


def has_colour(path: Path, colour: str) -> bool:
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    with Image.open(path) as image:
        return bool((np.asarray(image.convert("RGB")) == rgb).all(axis=2).any())


def printed(result: ScheduleResult) -> str:
    console = Console(width=160)
    with console.capture() as capture:
        print_schedules(result, console)
    return capture.get()


def test_its_options_are_those_of_training() -> None:
    of_training = {field.name: field for field in dataclasses.fields(TrainConfig)}
    own = {"sched", "samples", "shards", "data", "plot"}
    for field in dataclasses.fields(ScheduleConfig):
        if field.name not in own:
            same = of_training[field.name]
            assert (field.default, field.metadata, field.type) == (
                (same.default, same.metadata, same.type)
            )
    assert {name for method in SCHEDULES.values() for name in method.options} <= {
        field.name for field in dataclasses.fields(ScheduleConfig)
    }


@pytest.mark.usefixtures("sketches")
def test_training_has_the_learning_rates_that_were_foretold(
    split_photos: Path, tmp_path: Path, tiny: str
) -> None:
    options: dict[str, Any] = {
        "epochs": 3, "batch_size": 8, "sched": "sgdr", "cycle_len": 1, "cycle_mult": 1,
        "cycle_decay": 0.5, "lr": 0.001, "data": str(split_photos),
    }  # fmt: skip
    told = schedule(ScheduleConfig(**options))
    assert (told.samples, told.steps_per_epoch) == (18, 3)
    config = TrainConfig(
        **options, model=tiny, size=16, workers=0, device="cpu", out=tmp_path / "run"
    )
    rows = train(config).rows
    assert [row.lr for row in rows] == [told.forecasts[0].curve.rates[step] for step in (2, 5, 8)]


def test_samples_are_counted_as_training_has_them(split_photos: Path, tmp_path: Path) -> None:
    expand(ExpandConfig(data=str(split_photos), out=tmp_path / "x", copies=2, size=16, workers=1))
    assert schedule(ScheduleConfig(shards=tmp_path / "x")).samples == 18
    assert schedule(ScheduleConfig(data=str(split_photos))).samples == 18


def test_key_figures() -> None:
    result = forecast(sched="sgdr, cosine", epochs=7, cycle_len=1, lr=0.1, opt="sgd", min_lr=0.01)
    content = result.to_json()
    assert (content["steps"], content["steps_per_epoch"]) == (70, 10)
    sgdr, cosine = content["schedules"]
    assert sgdr["restarts"] == [10, 30] and sgdr["cycle_ends"] == [10, 30, 70]
    assert sgdr["first_lr"] == sgdr["peak_lr"] == 0.1
    assert cosine["warmup_steps"] == 3 and cosine["cycle_ends"] == [70]
    assert 0.01 < cosine["last_lr"] < 0.0102
    assert "restarts 1, 3" in printed(result)
    assert "within a cycle" not in printed(result)


def test_a_cycle_that_is_cut_off_is_told() -> None:
    assert "last whole cycle ends after epoch 7" in printed(
        forecast(sched="sgdr", epochs=10, cycle_len=1)
    )
    assert "ends before its first cycle does" in printed(
        forecast(sched="cyclic", epochs=3, cycle_len=4)
    )


def test_all_schedules_in_one_picture_the_same_each_time(tmp_path: Path) -> None:
    pictures = [tmp_path / "a.png", tmp_path / "new" / "b.png"]
    for path in pictures:
        result = forecast(sched="all", plot=path, patience=2)
        assert [one.name for one in result.forecasts] == list(SCHEDULES)
    assert pictures[0].read_bytes() == pictures[1].read_bytes()
    assert all(has_colour(pictures[0], colour) for colour in (LINE, EARLIEST, WARMUP))


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize(("epochs", "samples"), [(1, 1), (1, 2), (2, 40), (300, 10**7)])
def test_short_and_long_runs_are_drawn(
    name: str, epochs: int, samples: int, tmp_path: Path
) -> None:
    result = forecast(sched=name, epochs=epochs, samples=samples, plot=tmp_path / "p.png")
    one = result.forecasts[0]
    assert has_colour(tmp_path / "p.png", LINE)
    assert (one.curve.steps[0], one.curve.steps[-1]) == (0, result.steps - 1)
    assert len(one.curve.steps) <= MAX_POINTS + 50
    assert printed(result)


def test_a_peak_of_nothing_is_drawn(tmp_path: Path) -> None:
    forecast(lr=0.0, plot=tmp_path / "p.png")


def test_plateau_is_drawn_at_its_earliest() -> None:
    one = forecast(sched="plateau", epochs=9, patience=1, warmup_epochs=0, lr=1.0).forecasts[0]
    assert one.earliest is not None
    at = dict(zip(one.earliest.steps, one.earliest.rates, strict=True))
    assert [at[epoch * 10] for epoch in range(9)] == pytest.approx(
        [1, 1, 1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sched": "cosin"}, "unknown schedule 'cosin': choose from all, constant"),
        ({"sched": "cosine,"}, "unknown schedule ''"),
        ({"sched": "cosine,step", "cycle_len": 3}, "--cycle-len goes with --sched sgdr, cyclic"),
        ({"data": "x"}, "--samples and --data both say how many samples"),
        ({"samples": 0}, "--samples: 0 is too small"),
        ({"gamma": 0.5, "sched": "cyclic"}, "--cyclic-mode exp_range"),
    ],
)
def test_what_is_wrong_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        forecast(**options)


def test_without_a_count_it_says_how_to_give_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="--samples N, --shards DIR or --data DIR"):
        schedule(ScheduleConfig())


def test_a_picture_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AugcliError, match="can't be written"):
        forecast(plot=tmp_path / "file" / "p.png")


def test_rates_of_layer_groups_end_with_the_heads() -> None:
    found = forecast(sched="cosine", lrs="1e-4,1e-3,1e-2").forecasts[0]
    assert found.peak_lr == 1e-2
    with pytest.raises(UsageError, match="--lr and --lrs"):
        forecast(lr=0.5, lrs="1e-4,1e-2")
