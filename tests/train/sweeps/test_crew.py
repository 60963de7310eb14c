"""Trainings side by side; forked here, which needs no imports."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from augcli.augment.forks import CAN_FORK
from augcli.manifests.errors import Interrupted
from augcli.train.config import TrainConfig
from augcli.train.record import Row
from augcli.train.sweeps import crew, worker
from augcli.train.sweeps.crew import default_jobs, shares, train_side_by_side
from augcli.train.sweeps.trial import FAILED, FINISHED, PRUNED, Outcome, Trial

pytestmark = [
    pytest.mark.skipif(not CAN_FORK, reason="needs forks"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


class Trainings:
    """In the place of a course: a few trainings, and what was heard of them."""

    def __init__(self, *names: str) -> None:
        self.left = [Trial({}, TrainConfig(model=name, out=Path(name))) for name in names]
        self.heard: list[tuple[str, int]] = []
        self.ended: dict[str, Outcome] = {}
        self.on_row: Callable[[], None] = lambda: None

    def next(self) -> Trial | None:
        return self.left.pop(0) if self.left else None

    def goes_on(self, trial: Trial, row: Row) -> bool:
        self.heard.append((trial.config.model, row.epoch))
        self.on_row()
        return not (trial.config.model == "hopeless" and row.epoch == 2)

    def end(self, trial: Trial, outcome: Outcome) -> None:
        self.ended[trial.config.model] = outcome


def train(config: TrainConfig, report: Callable[[Row], bool]) -> Outcome:
    """Three epochs; says in its message where it was and what it had."""
    if config.model == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    for epoch in range(1, 4):
        row = Row(epoch, 1.0, 0.5, 1.0, 0.5, 0.1, 1.0, 0.1, 10.0)
        if not report(row):
            return Outcome(PRUNED)
        while config.model == "endless" and not asked:
            time.sleep(0.01)
        if asked:
            raise Interrupted("saved", asked[0])
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return Outcome(FINISHED, f"{os.getpid()} {gpu} {config.workers} {config.memory}")


@pytest.fixture(autouse=True)
def forked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(worker, "_context", multiprocessing.get_context("fork"))
    monkeypatch.setattr(worker, "run_trial", train)
    monkeypatch.setattr(crew, "default_workers", lambda: 8)
    before = set(multiprocessing.active_children())
    yield
    assert set(multiprocessing.active_children()) <= before


def test_each_training_once_and_processes_take_several() -> None:
    trainings = Trainings(*"abcde")
    train_side_by_side(trainings, "cpu", jobs=2)  # type: ignore[arg-type]
    assert {name: each.state for name, each in trainings.ended.items()} == dict.fromkeys(
        "abcde", FINISHED
    )
    assert sorted(trainings.heard) == [(name, epoch) for name in "abcde" for epoch in (1, 2, 3)]
    places = [outcome.message.split() for outcome in trainings.ended.values()]
    assert len({process for process, *_ in places}) == 2
    assert str(os.getpid()) not in {process for process, *_ in places}
    assert {workers for _, workers, _ in places} == {"4"}
    assert all(memory.isdigit() for *_, memory in places)


def test_a_killed_process_is_a_failed_training_and_the_rest_goes_on() -> None:
    trainings = Trainings("killed", "a", "killed", "b")
    train_side_by_side(trainings, "cpu", jobs=2)  # type: ignore[arg-type]
    assert trainings.ended["killed"].state == FAILED
    assert "SIGKILL, perhaps for lack of memory" in trainings.ended["killed"].message
    assert trainings.ended["a"].state == trainings.ended["b"].state == FINISHED


def test_a_training_that_someone_stops_is_a_failed_one() -> None:
    trainings = Trainings("endless", "a")

    def stop() -> None:
        if trainings.heard[-1] == ("endless", 1):
            for process in multiprocessing.active_children():
                os.kill(process.pid or 0, signal.SIGTERM)

    trainings.on_row = stop
    train_side_by_side(trainings, "cpu", jobs=1)  # type: ignore[arg-type]
    assert trainings.ended["endless"] == Outcome(FAILED, "saved")
    assert trainings.ended["a"].state == FINISHED


def test_what_is_not_to_go_on_does_not() -> None:
    trainings = Trainings("hopeless", "a")
    train_side_by_side(trainings, "cpu", jobs=2)  # type: ignore[arg-type]
    assert trainings.ended["hopeless"].state == PRUNED
    assert ("hopeless", 3) not in trainings.heard


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_saved(number: signal.Signals) -> None:
    trainings = Trainings("endless", "endless", "never")

    def ask() -> None:
        if len(trainings.heard) == 2:
            os.kill(os.getpid(), number)

    trainings.on_row = ask
    with pytest.raises(Interrupted) as stopped:
        train_side_by_side(trainings, "cpu", jobs=2)  # type: ignore[arg-type]
    assert stopped.value.exit_code == 128 + number
    assert not trainings.ended and [trial.config.model for trial in trainings.left] == ["never"]


def test_an_error_here_leaves_no_process_behind() -> None:
    trainings = Trainings("endless", "endless")
    threads = threading.active_count()

    def fail() -> None:
        raise KeyError

    trainings.on_row = fail
    with pytest.raises(KeyError):
        train_side_by_side(trainings, "cpu", jobs=2)  # type: ignore[arg-type]
    assert threading.active_count() == threads


def test_each_gpu_has_its_own_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "_gpus", lambda device: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-7f")
    trainings = Trainings(*"abcdef")
    train_side_by_side(trainings, "auto", jobs=2)  # type: ignore[arg-type]
    gpus = {outcome.message.split()[1] for outcome in trainings.ended.values()}
    assert gpus == {"5", "GPU-7f"}
    assert default_jobs("auto") == 2
    assert shares("auto", 2) == "4 threads, a GPU each"
    assert shares("auto", 4) == "2 threads, 1/2 of a GPU each"


def test_by_default_a_training_has_four_cores() -> None:
    assert default_jobs("cpu") == 2
    assert shares("cpu", 2) == "4 threads each" and shares("cpu", 8) == "1 thread each"


def test_what_the_user_says_of_workers_and_memory_stays(tmp_path: Any) -> None:
    config = TrainConfig(workers=3, memory="1GB")
    assert crew._with_share(config, 2) == config
