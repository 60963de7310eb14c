"""`benchmarks/minutes.py`: planning of epochs, what counts as right, the report, trainers."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize(
    ("seconds", "done", "steps", "epochs", "time_for"),
    [(50, 40, 40, 7, 7.2), (5, 4, 40, 7, 7.2), (60, 40, 40, 6, 6.0), (800, 40, 40, 1, 0.45)],
)
def test_as_many_whole_epochs_are_planned_as_fit(
    seconds: float, done: int, steps: int, epochs: int, time_for: float
) -> None:
    from side_by_side.minutes.planning import Plan, Probe, plan_epochs

    assert plan_epochs(Probe(seconds, done, steps), 360) == Plan(epochs, time_for)


def test_an_epoch_without_steps_is_no_plan() -> None:
    from side_by_side.minutes.planning import Probe, plan_epochs

    with pytest.raises(ValueError, match="fewer training images than one batch"):
        plan_epochs(Probe(0, 0, 0), 360)


@pytest.mark.parametrize(
    ("limits", "steps", "seconds"),
    [({"most_seconds": 25}, 3, 30), ({"most_steps": 2}, 2, 20), ({}, 5, 50)],
)
def test_a_stopwatch_ends_by_steps_or_seconds(
    limits: dict[str, float], steps: int, seconds: float
) -> None:
    from side_by_side.minutes.planning import Probe, Stopwatch

    clock = iter(range(100, 1000, 10))
    watch = Stopwatch(**limits, now=lambda: next(clock))
    for _ in range(5):
        if watch.step():
            break
    assert watch.probe(5) == Probe(seconds, steps, 5)


class LeftPixel(nn.Module):
    """Class 1 where an image is brighter on the left, the more the surer."""

    def forward(self, images: Tensor) -> Tensor:
        left = images[:, 0, 0, 0]
        return torch.stack([-left, left], 1)


def test_a_mirror_image_counts_half() -> None:
    from side_by_side.minutes.by_epochs import count_right
    from side_by_side.minutes.outcome import Right

    def image(left: float, right: float) -> Tensor:
        return torch.tensor([[[left, right]]], dtype=torch.float32).expand(3, 1, 2)

    images = torch.stack([image(1, 3), image(1, -3), image(-1, 3), image(-1, -3)])
    labels = torch.tensor([1, 1, 1, 1])
    batches = [(images[:3], labels[:3]), (images[3:], labels[3:])]
    # plain: by the left pixel; with the mirror image, by the one that is further from zero
    assert count_right(LeftPixel(), batches) == Right(images=4, plain=2, flip=2)
    assert count_right(LeftPixel(), [(images[1:2], labels[:1])]) == Right(1, 1, 0)


def a_loop() -> Any:
    """Learns nothing from four batches of three."""
    from side_by_side.minutes.by_epochs import Loop

    class Nothing(Loop):
        def __init__(self) -> None:
            self.events: list[str] = []

        def prepare(self, epochs: int) -> None:
            self.events.append(f"prepare {epochs}")

        def loader(self) -> Any:
            self.events.append("loader")
            return [(torch.zeros(3, 3, 2, 2), torch.zeros(3))] * 4

        def step(self, images: Tensor, labels: Tensor) -> None:
            self.events.append("step")

        def end_epoch(self, epoch: int) -> None:
            self.events.append(f"end {epoch}")

        def model(self) -> nn.Module:
            return LeftPixel()

        def batches(self, split: str) -> Any:
            images = {"validation": 2, "test": 5}[split]
            return [(torch.ones(images, 3, 2, 2), torch.ones(images))]

    return Nothing()


def test_steps_are_timed_after_a_warm_up_with_a_loader_of_its_own() -> None:
    from side_by_side.minutes.planning import WARM_UP_STEPS

    loop = a_loop()
    probe = loop.probe(most_seconds=100)
    assert (probe.done, probe.steps) == (4, 4)
    warm_up = ["loader", *["step"] * WARM_UP_STEPS]
    assert loop.events == ["prepare 1", *warm_up, "loader", *["step"] * 4]
    assert a_loop().probe(most_seconds=0).done == 1


def test_a_training_is_of_whole_epochs_of_the_planned_schedule(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from side_by_side.minutes.by_epochs import run_planned
    from side_by_side.minutes.outcome import Right
    from side_by_side.minutes.planning import Probe
    from side_by_side.minutes.work import MinutesWork

    loop = a_loop()
    monkeypatch.setattr(loop, "probe", lambda most_seconds: Probe(most_seconds, 1, 2))
    outcome = run_planned(loop, MinutesWork("", "", 2, 1, 0))
    assert (outcome.epochs, outcome.time_for) == (2, 2.0)
    epoch = ["step"] * 4
    assert loop.events == ["prepare 2", "loader", *epoch, "end 1", *epoch, "end 2"]
    assert outcome.images_per_second * outcome.seconds == pytest.approx(24)
    assert (outcome.validation, outcome.test) == (Right(2, 2, 2), Right(5, 5, 5))
    assert outcome.both == Right(7, 7, 7)


def test_an_outcome_survives_its_file() -> None:
    from dataclasses import asdict

    from side_by_side.minutes.outcome import outcome_of

    outcome = a_run(0, 80).outcome
    assert outcome_of(json.loads(json.dumps(asdict(outcome)))) == outcome


def test_work_survives_its_file(tmp_path: Path) -> None:
    from side_by_side.minutes.work import MinutesWork, load_work

    work = MinutesWork("data", "folder", 96, 6, 2, seed=3)
    work.write(tmp_path / "work.json")
    assert load_work(tmp_path / "work.json") == work


def test_splits_must_have_the_same_classes(split_photos: Path, tmp_path: Path) -> None:
    from side_by_side.minutes.work import count_images

    assert count_images(split_photos) == {"train": 18, "validation": 9, "test": 9}
    data = tmp_path / "data"
    shutil.copytree(split_photos, data)
    shutil.rmtree(data / "test" / "square")
    with pytest.raises(ValueError, match=r"test/ and train/ must have the same classes.* square"):
        count_images(data)
    shutil.rmtree(data / "validation")
    with pytest.raises(ValueError, match="no images in validation/CLASS/"):
        count_images(data)


def test_every_trainer_has_a_module_and_augcli_comes_first() -> None:
    from side_by_side.minutes.trainers import OWN, STORED, TRAINERS

    for trainer in TRAINERS.values():
        assert (BENCHMARKS / f"{trainer.module.replace('.', '/')}.py").is_file()
    assert [*OWN] == [STORED, "augcli-fly"] == [*TRAINERS][:2]


def test_who_is_not_here_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from side_by_side.minutes.running import here
    from side_by_side.minutes.trainers import TRAINERS

    monkeypatch.setitem(TRAINERS, "fastai", replace(TRAINERS["fastai"], needs=("no_such_module",)))
    names, left_out = here(["augcli-fly", "fastai"])
    assert (names, left_out) == (["augcli-fly"], {"fastai": "not installed: no_such_module"})


def a_run(seed: int, right: int, time_for: float | None = 7.4, seconds: float = 350) -> Any:
    """`right` of 100 test images, and as many of 300 validation images; mirrors add ten."""
    from side_by_side.minutes.outcome import Outcome, Right
    from side_by_side.minutes.running import MinutesRun
    from side_by_side.processes import Usage

    validation, test = Right(300, right, right + 10), Right(100, right, right + 10)
    outcome = Outcome(7, seconds, 60.0 + seed, validation, test, time_for)
    return MinutesRun(seed, outcome, Usage(400, 700, 10**9, 0.0))


def results(**changes: Any) -> Any:
    from side_by_side.minutes.report import Results
    from side_by_side.minutes.work import MinutesWork

    whole = Results(
        work=MinutesWork("data", "folder", 96, 6, 2),
        images={"train": 3000, "validation": 300, "test": 100},
        seeds=2,
        runs={
            "fastai": [a_run(0, 50), a_run(1, 54)],
            "augcli-fly": [a_run(0, 80, None), a_run(1, 80, None)],
            "timm": [a_run(0, 20, seconds=380)],
        },
        left_out={"torchvision": "not installed: torchvision"},
        expansion_seconds=None,
        machine={"cores": "2"},
        load_before=0.0,
    )
    return replace(whole, **changes)


def test_rows_are_means_over_seeds_with_an_interval_for_one_set_of_images() -> None:
    from augcli.train.metrics import wilson_interval

    augcli, fastai, timm = results().rows()
    assert (augcli.name, fastai.name, timm.name) == ("augcli-fly", "fastai", "timm")
    assert (fastai.test.mean, fastai.test.lowest, fastai.test.highest) == (0.52, 0.5, 0.54)
    assert fastai.test.wilson == wilson_interval(52, 100)
    assert fastai.both.mean == pytest.approx(104 / 400)
    assert fastai.both.wilson == wilson_interval(104, 400)
    assert fastai.test_flip.mean == pytest.approx(0.62)
    assert fastai.both_flip.mean == pytest.approx(124 / 400)
    assert (fastai.images_per_second, fastai.epochs, fastai.time_for) == (60.5, 7, 7.4)


def test_the_report_tells_epochs_spread_and_who_is_missing() -> None:
    from side_by_side.minutes.report import markdown

    text = markdown(results(expansion_seconds=42.0))
    assert (
        "| fastai, resnet18 | 60 | 7 (7.4) | 350 | 26.0 (25.0–27.0) [21.9–30.5] "
        "| 31.0 (30.0–32.0) | 52.0 (50.0–54.0) [42.3–61.5] | 62.0 (60.0–64.0) |"
    ) in text
    assert "| **augcli train, on the fly** | 60 | 7 | 350 |" in text
    assert "- Left out: torchvision's reference, resnet18: not installed: torchvision" in text
    assert "timm's train.py, resnet18: took up to 380 s, more than its minutes" in text
    assert "fastai, resnet18: took" not in text
    assert "not counted: 42 s" in text
    assert "| 20.0 [" in markdown(results(runs={"timm": [a_run(0, 40)]}, seeds=1))
    assert json.loads(json.dumps(results().to_json()))["rows"][0]["name"] == "augcli-fly"


@pytest.mark.parametrize("minutes", ["0", "-1", "inf", "nan"])
def test_a_time_that_is_none_is_refused(
    minutes: str, importable: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        importlib.import_module("minutes").main(["--data", "photos", "--minutes", minutes])
    assert "at least a second" in capsys.readouterr().err


def test_a_folder_without_splits_is_refused(
    photos: Path, importable: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert importlib.import_module("minutes").main(["--data", str(photos)]) == 2
    assert "no images in train/CLASS/" in capsys.readouterr().err


@pytest.fixture
def work(split_photos: Path, tmp_path: Path) -> Any:
    from side_by_side.minutes.work import MinutesWork

    (tmp_path / "run").mkdir()
    return MinutesWork(str(split_photos), str(tmp_path), 16, 1 / 60, workers=0)


def test_augcli_trains_by_its_command_and_is_evaluated(
    work: Any, monkeypatch: pytest.MonkeyPatch, tiny: str, sketches: None
) -> None:
    from side_by_side.minutes.trainers import own_recipe

    from augcli.cli import main
    from augcli.train.evaluation import evaluating

    def in_this_process(command: list[str], check: bool, **streams: None) -> None:
        main(command[len(own_recipe.program()) :], standalone_mode=False)

    monkeypatch.setattr(subprocess, "run", in_this_process)
    monkeypatch.setitem(own_recipe.TRAIN_OPTIONS, "fly", ("--model", tiny))
    monkeypatch.setattr(evaluating, "write_evaluation", lambda folder, result: None)
    outcome = own_recipe.run(work, "fly")
    assert outcome.epochs > 0 and outcome.seconds > 0 and outcome.images_per_second > 0
    assert (outcome.validation.images, outcome.test.images) == (9, 9)
    assert str(work.shards) in own_recipe.train_command(work, "shards", Path("out"))
    assert own_recipe.train_command(work, "fly", Path("out"), ["--seed", "7"])[-2:] == [
        "--seed",
        "7",
    ]


def test_torchvision_trains_and_is_evaluated(work: Any) -> None:
    from side_by_side.minutes.trainers.torchvision_reference import Reference, run

    reference = Reference(work)
    reference.prepare(epochs=3)
    rates = []
    for _ in range(3):  # epochs of one step
        rates.append(reference._optimizer.param_groups[0]["lr"])
        reference._optimizer.step()
        reference._schedule.step()
    assert rates == pytest.approx([0.0125, 0.00125, 0.000125])
    outcome = run(work, "")
    assert outcome.epochs >= 1
    assert (outcome.validation.images, outcome.test.images) == (9, 9)


def test_timm_is_given_the_options_of_its_script() -> None:
    pytest.importorskip("timm")
    from side_by_side.minutes.trainers.timm_script import options_of

    assert options_of("defaults", 8).warmup_epochs == 5
    scaled = options_of("scaled", 8)
    assert scaled.warmup_epochs == pytest.approx(8 * 5 / 300) and scaled.sched_on_updates
    a3 = options_of("a3", 8)
    assert (a3.opt, a3.lr, a3.warmup_epochs) == ("lamb", pytest.approx(2e-3), 0.4)
    assert a3.batch_size == scaled.batch_size == 128


def test_trainers_take_turns_seed_by_seed_and_ctrl_c_reports_what_there_is(
    split_photos: Path,
    tmp_path: Path,
    importable: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from side_by_side.processes import PeerError

    script = importlib.import_module("minutes")
    trained: list[tuple[str, int]] = []

    def train(name: str, work: Any, images: dict[str, int], timeout_seconds: float) -> Any:
        trained.append((name, work.seed))
        if name == "timm":
            raise PeerError("failed: no memory")
        if len(trained) == 6:
            raise KeyboardInterrupt
        return a_run(work.seed, 50)

    monkeypatch.setattr(script, "train", train)
    monkeypatch.setattr(script, "here", lambda names: (names, {}))
    options = ["--data", str(split_photos), "--only", "augcli-fly,torchvision,timm", "--seeds", "3"]
    assert script.main([*options, "--json", str(tmp_path / "all.json")]) == 0
    first, second = [("augcli-fly", 0), ("torchvision", 0), ("timm", 0)], "torchvision augcli-fly"
    assert trained == [*first, *((name, 1) for name in second.split()), ("augcli-fly", 2)]
    content = json.loads((tmp_path / "all.json").read_text())
    assert [run["seed"] for run in content["runs"]["torchvision"]] == [0, 1]
    assert content["left_out"] == {"timm": "failed: no memory"}
    assert "failed: no memory" in capsys.readouterr().out
