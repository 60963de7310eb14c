"""A sweep from its options to its results, with trainings that take no time."""

from __future__ import annotations

import csv
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augcli.manifests.errors import AugcliError, Interrupted, UsageError
from augcli.manifests.files import exclusive_lock
from augcli.train.config import TrainConfig
from augcli.train.sweeps import sweeping
from augcli.train.sweeps.sweeping import sweep
from augcli.train.world import NAMES

Made = Callable[..., Any]


def test_every_combination_with_every_seed(stub: Any, config_of: Made) -> None:
    told: list[str] = []
    config = config_of(lr="0.001,0.01", sched="cosine,step", seeds=2, seed=3)
    result = sweep(config, tell=told.append)
    assert stub.folders == [
        f"lr={lr}_sched={sched}_seed={seed}"
        for seed in (3, 4)
        for lr in ("0.001", "0.01")
        for sched in ("cosine", "step")
    ]
    assert told[0] == "4 combinations x 2 seeds, one after another"
    assert told[1] == "lr 0.001, sched cosine, seed 3: validation 62.0% (epoch 4 of 4, 4 s)"
    assert [each.values for each in result.standings[:2]] == [
        {"lr": 0.01, "sched": "cosine"}, {"lr": 0.01, "sched": "step"},
    ]  # fmt: skip
    assert result.best_command is not None
    assert "--lr 0.01 --sched cosine --seed 3" in result.best_command
    assert "--out" not in result.best_command and "--source on-the-fly" in result.best_command
    written = json.loads((config.out / "sweep.json").read_text())
    assert written["whole"] and written["best"] == {"lr": 0.01, "sched": "cosine"}
    assert written["space"] == {"lr": [0.001, 0.01], "sched": ["cosine", "step"]}
    with open(config.out / "sweep.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert rows[0] == {
        "lr": "0.01", "sched": "cosine", "seed": "3", "state": "finished", "epochs": "4",
        "best_epoch": "4", "val_accuracy": "0.820000", "val_loss": "0.180000",
        "val_images": "200", "test_accuracy": "0.500000", "seconds": "4.00",
        "folder": "trials/lr=0.01_sched=cosine_seed=3",
    }  # fmt: skip
    for name in ("curves.png", "lr.png"):
        assert (config.out / name).exists()


def test_what_is_there_is_reused_whatever_the_space_has_become(stub: Any, config_of: Made) -> None:
    sweep(config_of(lr="0.001,0.01"))
    again = sweep(config_of(lr="0.001,0.01"))
    assert len(stub.begun) == 2 and again.reused == 2
    sweep(config_of(lr="0.001,0.01,0.1"))
    assert stub.folders[2:] == ["lr=0.1_seed=0"]
    sweep(config_of(lr="0.1,0.01", sched="linear,cosine", seeds=2))
    assert sorted(stub.folders[3:]) == [
        "lr=0.01_sched=cosine_seed=0", "lr=0.01_sched=cosine_seed=1",
        "lr=0.01_sched=linear_seed=1", "lr=0.1_sched=cosine_seed=0",
        "lr=0.1_sched=cosine_seed=1", "lr=0.1_sched=linear_seed=1",
    ]  # fmt: skip


def test_other_options_are_other_trainings_beside_the_first(stub: Any, config_of: Made) -> None:
    sweep(config_of(lr="0.001,0.01"))
    result = sweep(config_of(lr="0.001,0.01", epochs="5", weight_decay="0.1"))
    assert result.reused == 0
    assert stub.folders[2:] == ["lr=0.001_seed=0_2", "lr=0.01_seed=0_2"]
    sweep(config_of(lr="0.001,0.01", workers=3))  # decides nothing
    assert len(stub.begun) == 4


def test_other_images_are_other_trainings(
    stub: Any, config_of: Made, split_photos: Path, tmp_path: Path
) -> None:
    import shutil

    copy = shutil.copytree(split_photos, tmp_path / "copy")
    sweep(config_of(lr="0.001", data=str(copy)))
    sweep(config_of(lr="0.001"))  # the same images elsewhere
    assert len(stub.begun) == 1
    next(copy.glob("train/*/*.jpg")).unlink()
    sweep(config_of(lr="0.001", data=str(copy)))
    assert len(stub.begun) == 2


def test_an_interrupted_sweep_says_how_to_go_on_and_does(stub: Any, config_of: Made) -> None:
    def stop(config: TrainConfig, epoch: int) -> None:
        if config.lr == 0.01 and epoch == 3:
            raise Interrupted("saved", signal.SIGTERM)

    stub.before_epoch = stop
    config = config_of(lr="0.001,0.01,0.1")
    with pytest.raises(Interrupted) as stopped:
        sweep(config)
    assert stopped.value.exit_code == 143
    assert str(stopped.value).startswith("stopped after 1 of 3 trainings; ")
    assert "go on with: augcli sweep --jobs 1 " in str(stopped.value)
    partial = json.loads((config.out / "sweep.json").read_text())
    assert not partial["whole"] and len(partial["combinations"]) == 1
    stub.before_epoch = lambda config, epoch: None
    result = sweep(config)
    assert result.is_whole and result.reused == 1
    assert [config.resume for config in stub.begun] == [False, False, True, False]
    assert stub.folders[1] == stub.folders[2]


def test_a_killed_training_is_gone_on_with(stub: Any, config_of: Made) -> None:
    def kill(config: TrainConfig, epoch: int) -> None:
        if epoch == 3:
            raise KeyboardInterrupt

    stub.before_epoch = kill
    with pytest.raises(KeyboardInterrupt):
        sweep(config_of(lr="0.001"))
    seen: list[int] = []
    stub.before_epoch = lambda config, epoch: seen.append(epoch)
    assert sweep(config_of(lr="0.001")).is_whole
    assert seen == [3, 4]


def test_divergence_is_a_result_and_not_tried_again(stub: Any, config_of: Made) -> None:
    for _ in range(2):
        result = sweep(config_of(lr="0.001,1000"))
        assert [each.state for each in result.standings] == ["finished", "diverged"]
        assert not result.failures
        assert "1 combination diverged: lr 1000." in result.findings
    assert len(stub.begun) == 2


def test_other_failures_do_not_end_the_sweep_and_are_tried_again(
    stub: Any, config_of: Made
) -> None:
    def fail(config: TrainConfig, epoch: int) -> None:
        if config.lr == 0.001 and epoch == 2:
            raise AugcliError("the disk is full")

    stub.before_epoch = fail
    result = sweep(config_of(lr="0.001,0.01"))
    [(message, [failed])] = result.failures.items()
    assert message == "the disk is full" and failed.trial.label == "lr 0.001, seed 0"
    assert [each.state for each in result.standings] == ["finished", "failed"]
    stub.before_epoch = lambda config, epoch: None
    assert not sweep(config_of(lr="0.001,0.01")).failures
    assert stub.folders == ["lr=0.001_seed=0", "lr=0.01_seed=0", "lr=0.001_seed=0"]


def test_a_damaged_result_is_a_failure_of_that_training(stub: Any, config_of: Made) -> None:
    config = config_of(lr="0.001,0.01")
    sweep(config)
    record = config.out / "trials" / "lr=0.001_seed=0" / "run.json"
    record.write_text("{")
    [message] = sweep(config).failures
    assert str(record) in message
    (config.out / "trials" / "lr=0.01_seed=0" / "trial.json").write_text("[]")
    with pytest.raises(AugcliError, match=r"trial\.json: not a record .* remove its folder"):
        sweep(config)


def test_when_nothing_finishes_there_is_no_best(stub: Any, config_of: Made) -> None:
    result = sweep(config_of(lr="1000,2000"))
    assert result.best is None and result.best_command is None
    assert result.findings[0] == "No combination finished: there is no best."
    assert not (config_of().out / "curves.png").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "small,resnet0"}, "unknown model 'resnet0'"),
        ({"policy": "basic,upside"}, "upside"),
        ({"residual": "flip/flop"}, "unknown transform 'flop'"),
        ({"data": "nowhere"}, "nowhere"),
        ({"gamma": "0.1,0.5"}, "--gamma goes with --sched"),
        ({"trials": 5}, "--trials goes with --search random or tpe"),
        ({"prune": "median"}, "--prune goes with --search random or tpe"),
        ({"seeds": 0}, "--seeds: 0 is too small"),
        ({"lr": ""}, "--lr: is empty"),
        (
            {"warmup_epochs": "1,9", "sched": "step"},
            "--warmup-epochs: 9 leaves nothing of the 4 epochs",
        ),
    ],
)
def test_a_wrong_request_is_told_before_anything_is_written(
    options: dict[str, Any], message: str, stub: Any, config_of: Made
) -> None:
    config = config_of(**options)
    with pytest.raises(UsageError) as refused:
        sweep(config)
    assert message in str(refused.value)
    assert not config.out.exists() and not stub.begun


def test_data_without_validation(
    config_of: Made, split_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from augcli.train.sweeps import datasets

    reference = datasets.load_reference
    monkeypatch.setattr(datasets, "load_reference", lambda data: reference(data, val_fraction=0.0))
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "all").symlink_to(split_photos / "train")
    with pytest.raises(AugcliError, match="no validation images to choose by"):
        sweep(config_of(data=str(folder / "all")))


def test_a_folder_with_other_things_is_refused(stub: Any, config_of: Made) -> None:
    config = config_of(lr="0.1")
    config.out.mkdir()
    (config.out / "thesis.tex").touch()
    with pytest.raises(UsageError, match="holds other things than a sweep"):
        sweep(config)
    file = config_of(lr="0.1", out=config.out / "thesis.tex")
    with pytest.raises(UsageError, match="is a file"):
        sweep(file)
    assert [path.name for path in config.out.iterdir()] == ["thesis.tex"]


def test_two_sweeps_at_once(stub: Any, config_of: Made) -> None:
    config = config_of(lr="0.1")
    config.out.mkdir()
    busy = pytest.raises(AugcliError, match="another sweep is at work there")
    with exclusive_lock(config.out, ""), busy:
        sweep(config)


def test_it_trains_by_itself(config_of: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(NAMES, ("1", "2", "1", "2"), strict=True):
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="start it without torchrun"):
        sweep(config_of())


def test_the_parallel_way_is_taken_for_several_jobs(
    config_of: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(
        sweeping, "train_side_by_side", lambda course, device, jobs: seen.append(jobs)
    )
    told: list[str] = []
    sweep(config_of(lr="1,2,3", jobs=2), tell=told.append)
    sweep(config_of(lr="1,2,3", jobs=8))
    assert seen == [2, 3]  # never more than there are trainings
    assert told[0].startswith("3 combinations, 2 at a time, ")
