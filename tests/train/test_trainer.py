"""Whole runs on a tiny synthetic source: learning, stopping, resuming, refusing.

Run as a script this file is the child process that the signal tests interrupt.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from augcli.manifests.errors import AugcliError, Interrupted, UsageError
from augcli.train import epochs, pictures
from augcli.train.batch import Batch, Sources
from augcli.train.checkpoint import load_checkpoint
from augcli.train.config import TrainConfig
from augcli.train.evaluate import Evaluation
from augcli.train.models import MODELS
from augcli.train.trainer import Progress, Row, TrainResult, run_training

CLASSES = ("dark", "light", "striped")
PIXELS = 16
BATCH_SIZE = 8
TRAIN_SAMPLES = 28  # four batches, the last of four
CONFIG = TrainConfig(model="tiny", epochs=3, batch_size=BATCH_SIZE, lr=0.005, seed=7, device="cpu")
DESCRIPTION: dict[str, object] = {"source": "synthetic", "noise": [0, 60]}

pytestmark = pytest.mark.usefixtures("sketches")


class Tiny(nn.Module):
    """Has what makes resuming hard: statistics that every batch moves, and random draws."""

    def __init__(self, classes: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 4, stride=4), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2),
            nn.Flatten(), nn.Linear(8 * (PIXELS // 4) ** 2, classes),
        )  # fmt: skip

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layers(images)
        return logits


class Synthetic:
    """Noisy dark, light and striped images; a view depends on the epoch and the sample only."""

    def __init__(self, samples: int, shuffle: bool = False, wait_seconds: float = 0.0) -> None:
        self.samples = samples
        self.batches_per_epoch = -(-samples // BATCH_SIZE)
        self.smallest_batch = samples - (self.batches_per_epoch - 1) * BATCH_SIZE
        self.ids = np.arange(samples, dtype=np.uint64)
        self.rounds = None
        self.shuffle = shuffle
        self.wait_seconds = wait_seconds
        self.asked: list[tuple[int, int]] = []

    def batches(self, epoch: int, start: int = 0, batch_size: int | None = None) -> Iterator[Batch]:
        assert batch_size in (None, BATCH_SIZE)
        self.asked.append((epoch, start))
        chance = torch.Generator().manual_seed(1000 + epoch)
        order = torch.arange(self.samples)
        if self.shuffle:
            order = torch.randperm(self.samples, generator=chance)
        for indices in torch.split(order, BATCH_SIZE)[start:]:
            time.sleep(self.wait_seconds)
            views = torch.stack([self.view(int(index), epoch) for index in indices])
            yield Batch(
                views.contiguous(memory_format=torch.channels_last),
                indices % len(CLASSES),
                tuple(f"sample-{int(index)}" for index in indices),
                indices.numpy(),
            )

    def view(self, index: int, epoch: int) -> torch.Tensor:
        chance = torch.Generator().manual_seed(10_000 * epoch + index)
        image = torch.randint(0, 60, (3, PIXELS, PIXELS), generator=chance)
        if index % 3 == 1:
            image += 150
        elif index % 3 == 2:
            image[:, ::4] += 150
        return image.to(torch.uint8)

    def close(self) -> None:
        pass


def make_sources(validation: bool = True, test: bool = True, wait: float = 0.0) -> Sources:
    return Sources(
        classes=CLASSES,
        size=(PIXELS, PIXELS),
        train=Synthetic(TRAIN_SAMPLES, shuffle=True, wait_seconds=wait),
        validation=Synthetic(13) if validation else None,
        test=Synthetic(11) if test else None,
    )


@pytest.fixture(autouse=True, scope="module")
def tiny_on_one_thread() -> Iterator[None]:
    """The child process must add in the same order, so both have one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(MODELS, "tiny", Tiny)
        yield
    torch.set_num_threads(before)


@pytest.fixture
def threads_again() -> Iterator[None]:
    """As many threads after the test as before it."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def train(folder: Path, config: TrainConfig = CONFIG, **more: Any) -> TrainResult:
    sources = more.pop("sources", None) or make_sources()
    description = more.pop("description", DESCRIPTION)
    return run_training(config, sources, folder, description, **more)


def resume(folder: Path, config: TrainConfig = CONFIG, **more: Any) -> TrainResult:
    return train(folder, dataclasses.replace(config, resume=True), **more)


def signal_at(epoch: int, batch: int, number: int = signal.SIGINT) -> Callable[[Progress], None]:
    """A `progress` that sends this process a signal after one step."""

    def progress(step: Progress) -> None:
        if (step.epoch, step.batch) == (epoch, batch):
            signal.raise_signal(number)

    return progress


def timeless(value: Any) -> Any:
    """`value` without what a clock decided."""
    clock = re.compile(r".*seconds|images_per_second|resume")
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if not clock.fullmatch(str(k))}
    return [timeless(inner) for inner in value] if isinstance(value, list) else value


def assert_same_tensors(one: Any, other: Any) -> None:
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same_tensors(one[key], other[key])
    elif isinstance(one, list):
        for a, b in zip(one, other, strict=True):
            assert_same_tensors(a, b)
    else:
        assert one == other


def assert_same_run(one: Path, other: Path) -> None:
    """Two finished runs are the same to the last bit, but for clocks."""
    for name in ("last.pt", "best.pt"):
        first, second = (vars(load_checkpoint(folder / name)) for folder in (one, other))
        assert_same_tensors(timeless(first), timeless(second))
    first, second = (json.loads((folder / "run.json").read_text()) for folder in (one, other))
    assert timeless(first) == timeless(second)
    assert (one / "confusion.png").read_bytes() == (other / "confusion.png").read_bytes()
    assert (one / "curves.png").read_bytes() == (other / "curves.png").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of `CONFIG` that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(folder)
    return folder


# ---- a whole run ----


def test_learns_what_can_be_learnt(tmp_path: Path) -> None:
    result = train(tmp_path / "run", dataclasses.replace(CONFIG, model="small", epochs=6))
    assert result.rows[0].train_loss > 2 * result.rows[-1].train_loss
    assert result.split == "test"
    assert result.accuracy is not None and result.accuracy > 0.9
    assert result.interval is not None and result.interval[0] < result.accuracy


def test_the_folder_holds_what_the_design_says(whole: Path) -> None:
    names = sorted(path.name for path in whole.iterdir())
    events = [name for name in names if name.startswith("events.out.tfevents")]
    assert len(events) == 1
    assert set(names) - set(events) == {
        "args.yaml", "best.pt", "confusion.png", "curves.png", "last.pt", "run.json",
        "summary.csv",
    }  # fmt: skip


def test_the_record_says_what_was_done(whole: Path) -> None:
    record = json.loads((whole / "run.json").read_text())
    args = yaml.safe_load((whole / "args.yaml").read_text())
    best = load_checkpoint(whole / "best.pt")
    assert record["config"] == args
    assert record["source"] == DESCRIPTION
    assert record["lr"] == 0.005
    assert record["samples"] == {"train": 28, "validation": 13, "test": 11}
    assert record["steps"] == 12
    assert record["best_epoch"] == best.best_epoch == best.epoch
    weights = [tensor for key, tensor in best.model.items() if not is_statistic(key)]
    assert record["parameters"] == sum(tensor.numel() for tensor in weights)
    confusion = torch.tensor(record["test"]["confusion"])
    assert confusion.sum(dim=1).tolist() == [4, 4, 3]
    assert record["test"]["accuracy"] == confusion.trace().item() / 11
    assert set(record["versions"]) == {"python", "torch", "torchvision", "numpy"}


def is_statistic(key: str) -> bool:
    return key.endswith(("running_mean", "running_var", "num_batches_tracked"))


def test_rows_are_reported_written_and_logged(tmp_path: Path) -> None:
    reported: list[Row] = []
    steps: list[Progress] = []
    result = train(tmp_path / "run", report=reported.append, progress=steps.append)
    assert tuple(reported) == result.rows
    assert [(step.epoch, step.batch) for step in steps] == [
        (epoch, batch) for epoch in (1, 2, 3) for batch in (1, 2, 3, 4)
    ]
    with open(tmp_path / "run" / "summary.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [float(line["val_loss"]) for line in lines] == [row.val_loss for row in reported]
    first = reported[0]
    by_hand = [step.loss * (4 if step.batch == 4 else 8) for step in steps if step.epoch == 1]
    assert first.train_loss == pytest.approx(sum(by_hand) / TRAIN_SAMPLES)
    assert first.images_per_second == pytest.approx(TRAIN_SAMPLES / first.seconds)


def test_the_wait_for_data_is_measured_apart(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, epochs=1)
    result = train(tmp_path / "run", config, sources=make_sources(wait=0.05))
    row = result.rows[0]
    assert 4 * 0.05 <= row.data_wait_seconds < row.seconds


@pytest.mark.parametrize(
    ("accuracies", "losses", "best"),
    [
        ([0.2, 0.9, 0.5], [3.0, 2.0, 1.0], 2),
        ([0.5, 0.5, 0.5], [2.0, 1.0, 3.0], 2),
        ([0.5, 0.5, 0.5], [1.0, 1.0, 1.0], 1),
        ([0.1, 0.2, 0.3], [1.0, 2.0, 3.0], 3),
    ],
    ids=["accuracy first", "then loss", "then the earlier", "not the loss alone"],
)
def test_best_is_by_accuracy_then_loss(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    accuracies: list[float],
    losses: list[float],
    best: int,
) -> None:
    results = [
        Evaluation(loss, accuracy, np.eye(3, dtype=np.int64), 3)
        for loss, accuracy in zip(losses, accuracies, strict=True)
    ]
    monkeypatch.setattr(epochs, "evaluate", lambda *_: results.pop(0))
    weights: list[torch.Tensor] = []

    def keep(row: Row) -> None:
        weights.append(load_checkpoint(tmp_path / "run" / "last.pt").model["layers.0.weight"])

    result = train(tmp_path / "run", report=keep)
    assert result.best_epoch == best
    saved = load_checkpoint(tmp_path / "run" / "best.pt")
    assert saved.epoch == saved.best_epoch == best
    same = [torch.equal(saved.model["layers.0.weight"], other) for other in weights]
    assert same == [epoch == best for epoch in (1, 2, 3)]


def test_each_epoch_is_asked_for_once(tmp_path: Path) -> None:
    sources = make_sources()
    train(tmp_path / "run", sources=sources)
    assert isinstance(sources.train, Synthetic)
    assert sources.train.asked == [(0, 0), (1, 0), (2, 0)]


@pytest.mark.parametrize(
    ("validation", "test", "split"),
    [(True, False, "validation"), (False, True, "test"), (False, False, None)],
)
def test_missing_splits(tmp_path: Path, validation: bool, test: bool, split: str | None) -> None:
    folder = tmp_path / "run"
    result = train(folder, sources=make_sources(validation, test))
    assert result.split == split
    assert (result.accuracy is None) == (split is None)
    assert (folder / "confusion.png").exists() == (split is not None)
    assert (result.record["validation"] is None) == (not validation)
    if not validation:
        assert result.best_epoch == CONFIG.epochs
        assert result.rows[0].val_loss is None


def test_same_seed_same_bits_whatever_the_global_state(tmp_path: Path, whole: Path) -> None:
    torch.manual_seed(99)
    before = torch.get_rng_state()
    train(tmp_path / "again")
    assert torch.equal(torch.get_rng_state(), before)
    assert_same_run(tmp_path / "again", whole)
    other = train(tmp_path / "other", dataclasses.replace(CONFIG, seed=8))
    rows = load_checkpoint(whole / "last.pt").history
    assert other.rows[0].train_loss != rows[0]["train_loss"]


# ---- stopping and resuming ----


@pytest.mark.parametrize(
    ("epoch", "batch"), [(1, 1), (1, 4), (2, 2), (3, 4)], ids=lambda number: str(number)
)
def test_resumed_is_as_never_interrupted(
    tmp_path: Path, whole: Path, epoch: int, batch: int
) -> None:
    folder = tmp_path / "run"
    with pytest.raises(Interrupted, match=r"augcli train .*--out \S+ --resume") as stopped:
        train(folder, progress=signal_at(epoch, batch))
    assert stopped.value.exit_code == 130
    saved = load_checkpoint(folder / "last.pt")
    assert (saved.epoch, saved.batch) == (epoch - 1, batch)
    sources = make_sources()
    resume(folder, sources=sources)
    assert_same_run(folder, whole)
    assert isinstance(sources.train, Synthetic)
    expected = [(epoch - 1, batch)] if batch < 4 else []
    assert sources.train.asked == expected + [(e, 0) for e in range(epoch, 3)]


def test_interrupted_after_every_step(tmp_path: Path, whole: Path) -> None:
    folder = tmp_path / "run"

    def stop_now(step: Progress) -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        train(folder, progress=stop_now)
    for _ in range(11):
        with pytest.raises(Interrupted):
            resume(folder, progress=stop_now)
    resume(folder, progress=stop_now)
    assert_same_run(folder, whole)


@pytest.mark.parametrize(
    ("model", "opt", "sched", "threads"),
    [
        ("small", "sgd", "onecycle", 2),
        ("mobilenet_v3_small", "rmsprop", "step", 1),
        ("tiny", "adam", "constant", 1),
    ],
)
def test_every_kind_of_state_is_saved(
    tmp_path: Path, threads_again: None, model: str, opt: str, sched: str, threads: int
) -> None:
    torch.set_num_threads(threads)
    config = dataclasses.replace(CONFIG, model=model, opt=opt, sched=sched, epochs=1)
    train(tmp_path / "whole", config)
    with pytest.raises(Interrupted):
        train(tmp_path / "run", config, progress=signal_at(1, 2))
    resume(tmp_path / "run", config)
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def test_plateau_goes_on_where_it_was(tmp_path: Path) -> None:
    """With a learning rate that learns nothing every epoch is a bad one."""
    config = dataclasses.replace(
        CONFIG,
        opt="sgd",
        lr=1e-9,
        sched="plateau",
        patience=0,
        gamma=0.5,
        warmup_epochs=0,
        epochs=5,
    )
    result = train(tmp_path / "whole", config)
    rates = [row.lr for row in result.rows]
    assert rates[0] == 1e-9 and rates[-1] < rates[0]
    for epoch, batch in ((2, 4), (3, 1), (4, 2)):
        go_on = resume if epoch > 2 else train
        with pytest.raises(Interrupted):
            go_on(tmp_path / "run", config, progress=signal_at(epoch, batch))
    assert [row.lr for row in resume(tmp_path / "run", config).rows] == rates
    assert_same_run(tmp_path / "run", tmp_path / "whole")
    saved = load_checkpoint(tmp_path / "run" / "last.pt").plateau
    assert saved["factor"] < 1


def test_plateau_needs_validation(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, sched="plateau")
    with pytest.raises(UsageError, match="no validation images"):
        train(tmp_path / "run", config, sources=make_sources(validation=False))


def test_what_a_source_draws_changes_nothing(tmp_path: Path, whole: Path) -> None:
    """torch's DataLoader draws from the global state whenever an epoch is begun."""

    class Drawing(Synthetic):
        def batches(
            self, epoch: int, start: int = 0, batch_size: int | None = None
        ) -> Iterator[Batch]:
            torch.rand(3)
            for batch in super().batches(epoch, start):
                torch.rand(1)
                yield batch

    folder = tmp_path / "run"
    sources = dataclasses.replace(
        make_sources(), train=Drawing(TRAIN_SAMPLES, shuffle=True), validation=Drawing(13)
    )
    with pytest.raises(Interrupted):
        train(folder, sources=sources, progress=signal_at(2, 2))
    resume(folder, sources=sources)
    assert_same_run(folder, whole)


def test_after_a_crash_the_epoch_is_redone(tmp_path: Path, whole: Path) -> None:
    folder = tmp_path / "run"

    def crash(step: Progress) -> None:
        if (step.epoch, step.batch) == (2, 3):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(folder, progress=crash)
    resume(folder)
    assert_same_run(folder, whole)


def test_killed_before_the_first_epoch_and_before_the_record(tmp_path: Path, whole: Path) -> None:
    folder = tmp_path / "run"

    def crash(step: Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(folder, progress=crash)
    resume(folder)
    (folder / "run.json").unlink()
    resume(folder)
    assert_same_run(folder, whole)


def test_sigterm_exits_with_143(tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="SIGTERM") as stopped:
        train(tmp_path / "run", progress=signal_at(1, 1, signal.SIGTERM))
    assert stopped.value.exit_code == 143


def test_a_source_that_dies_of_the_same_signal_is_no_failure(tmp_path: Path, whole: Path) -> None:
    class Dying(Synthetic):
        def batches(
            self, epoch: int, start: int = 0, batch_size: int | None = None
        ) -> Iterator[Batch]:
            yield next(super().batches(epoch, start))
            signal.raise_signal(signal.SIGINT)
            raise RuntimeError("DataLoader worker exited unexpectedly")

    folder = tmp_path / "run"
    sources = dataclasses.replace(make_sources(), train=Dying(TRAIN_SAMPLES, shuffle=True))
    with pytest.raises(Interrupted) as stopped:
        train(folder, sources=sources)
    assert isinstance(stopped.value.__cause__, Exception)
    assert load_checkpoint(folder / "last.pt").batch == 1
    resume(folder)
    assert_same_run(folder, whole)


def test_a_signal_to_a_real_process(tmp_path: Path, whole: Path) -> None:
    """One process, which trains anew after the first signal: starting another takes seconds."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    folders = [tmp_path / number.name for number in numbers]
    command = [sys.executable, __file__, *map(str, folders)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for number in numbers:
            assert child.stdout.readline() == "epoch 2, batch 1\n"
            child.send_signal(number)
            said = child.stdout.readline()
            assert said.startswith(f"{128 + number}: stopped by {number.name}")
        assert child.wait(timeout=60) == 128 + numbers[-1]
    for folder in folders:
        saved = load_checkpoint(folder / "last.pt")
        assert saved.epoch == 1 and saved.batch >= 1
        resume(folder)
        assert_same_run(folder, whole)


# ---- refusing ----


def test_a_folder_with_a_run_is_not_overwritten(whole: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in whole.iterdir()}
    with pytest.raises(UsageError, match=r"already holds a run.*--resume.*--out"):
        train(whole)
    assert before == {path.name: path.stat().st_mtime_ns for path in whole.iterdir()}


def test_nothing_to_resume(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run to resume"):
        resume(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_finished_run_just_gives_its_result(tmp_path: Path) -> None:
    first = train(tmp_path / "run")
    before = {path.name: path.stat().st_mtime_ns for path in first.folder.iterdir()}
    sources = make_sources()
    again = resume(tmp_path / "run", sources=sources)
    assert again == first
    assert isinstance(sources.train, Synthetic) and sources.train.asked == []
    assert before == {path.name: path.stat().st_mtime_ns for path in first.folder.iterdir()}


def test_another_run_is_not_resumed_and_each_difference_is_named(whole: Path) -> None:
    config = dataclasses.replace(CONFIG, lr=0.1, sched="step")
    with pytest.raises(UsageError) as refused:
        resume(whole, config, description={"source": "other", "noise": [0, 60]})
    message = str(refused.value)
    assert "--lr: was 0.005, is now 0.1" in message
    assert '--sched: was "linear", is now "step"' in message
    assert 'source.source: was "synthetic", is now "other"' in message
    assert message.count(": was ") == 3


def test_other_data_are_not_resumed(whole: Path) -> None:
    with pytest.raises(UsageError, match=r"samples\.test: was 11, is now null"):
        resume(whole, sources=make_sources(test=False))
    renamed = dataclasses.replace(make_sources(), classes=("a", "b", "c"))
    with pytest.raises(UsageError, match="classes: was"):
        resume(whole, sources=renamed)


def test_workers_device_and_folder_may_change(tmp_path: Path, whole: Path) -> None:
    with pytest.raises(Interrupted):
        train(tmp_path / "run", progress=signal_at(2, 1))
    moved = (tmp_path / "run").rename(tmp_path / "moved")
    config = dataclasses.replace(CONFIG, workers=5, out=moved)
    result = resume(moved, config)
    rows = load_checkpoint(whole / "last.pt").history
    assert [row.val_loss for row in result.rows] == [row["val_loss"] for row in rows]


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        train(tmp_path / "run", progress=signal_at(1, 1))
    last = tmp_path / "run" / "last.pt"
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(AugcliError, match=r"last\.pt: not a whole augcli checkpoint"):
        resume(tmp_path / "run")


def test_a_bad_request_leaves_no_folder(tmp_path: Path) -> None:
    for wrong in ({"model": "smal"}, {"epochs": 0}, {"sched": "linar"}, {"lr": float("nan")}):
        with pytest.raises(UsageError):
            train(tmp_path / "run", dataclasses.replace(CONFIG, **wrong))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("steps_before", [1, 4])
def test_divergence_names_the_step_and_the_last_good_checkpoint(
    tmp_path: Path, steps_before: int
) -> None:
    """In a step and, with the weights gone in the epoch's last step, in validation."""
    folder = tmp_path / "run"

    class Poisoned(Synthetic):
        def batches(
            self, epoch: int, start: int = 0, batch_size: int | None = None
        ) -> Iterator[Batch]:
            for number, batch in enumerate(super().batches(epoch, start)):
                if epoch == 1 and number == steps_before - 1:
                    poison.append(True)
                yield batch

    poison: list[bool] = []
    sources = dataclasses.replace(make_sources(), train=Poisoned(TRAIN_SAMPLES, shuffle=True))
    config = dataclasses.replace(CONFIG, opt="sgd", sched="constant")
    step = torch.optim.SGD.step

    def step_or_explode(self: Any, closure: Any = None) -> Any:
        result = step(self, closure)
        if poison:
            with torch.no_grad():
                self.param_groups[0]["params"][0].fill_(float("nan"))
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.SGD, "step", step_or_explode)
        with pytest.raises(AugcliError) as diverged:
            train(folder, config, sources=sources)
    message = str(diverged.value)
    where = "epoch 2, step 2 of 4: the" if steps_before == 1 else "epoch 2: the validation loss is"
    assert message.startswith(where)
    assert f"{folder / 'last.pt'}, after 1 epochs and 0 batches" in message
    saved = load_checkpoint(folder / "last.pt")
    assert all(bool(tensor.isfinite().all()) for tensor in saved.model.values())
    assert not (folder / "run.json").exists()


def test_a_learning_rate_far_too_high_is_said_so(tmp_path: Path) -> None:
    config = dataclasses.replace(CONFIG, opt="sgd", lr=1e30, sched="constant")
    with pytest.raises(AugcliError, match=r"epoch 1, step .* of 4: the loss is .*lower --lr"):
        train(tmp_path / "run", config)


@pytest.mark.parametrize("claimed", [27, 29])
def test_a_source_must_give_each_sample_once(tmp_path: Path, claimed: int) -> None:
    sources = make_sources()
    assert isinstance(sources.train, Synthetic)
    sources.train.samples = TRAIN_SAMPLES
    iterate = sources.train.batches

    class Wrong:
        samples = claimed
        batches_per_epoch = 4
        smallest_batch = 4
        batches = staticmethod(iterate)

        def close(self) -> None:
            pass

    wrong = dataclasses.replace(sources, train=Wrong())
    with pytest.raises(AugcliError, match=f"gave 28 samples and left 0 out where it has {claimed}"):
        train(tmp_path / "run", sources=wrong)


def child(folders: list[Path]) -> None:
    """Train slowly, say when epoch 2 has begun, and exit as the command line would."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # some shells start us ignoring it
    torch.set_num_threads(1)
    MODELS["tiny"] = Tiny
    pictures.draw_curves = lambda *shown: None

    def progress(step: Progress) -> None:
        if (step.epoch, step.batch) == (2, 1):
            print("epoch 2, batch 1", flush=True)
            time.sleep(0.5)

    for folder in folders:
        try:
            train(folder, sources=make_sources(wait=0.1), progress=progress)
        except Interrupted as stopped:
            print(f"{stopped.exit_code}: {stopped}", flush=True)
            code = stopped.exit_code
    os._exit(code)


if __name__ == "__main__":
    child([Path(folder) for folder in sys.argv[1:]])
