"""Wherever a training is killed, or the disk is full: no run is lost, and no checkpoint damaged."""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from augcli.augment.config import ExpandConfig
from augcli.augment.expansion import expand
from augcli.manifests.errors import AugcliError
from augcli.train.checkpoint import load_checkpoint
from augcli.train.config import TrainConfig
from augcli.train.epoch import Progress
from augcli.train.faults import told
from augcli.train.record import read_record, read_summary
from augcli.train.run import train

pytestmark = pytest.mark.usefixtures("sketches", "tiny")

EVERY = 4
"""Of the instants of a run, these are tried."""


@pytest.fixture(autouse=True)
def no_flushing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power is cut in earnest here."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="module")
def dataset(split_photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = Path(tmp_path_factory.mktemp("expanded") / "out")
    expand(ExpandConfig(data=str(split_photos), out=out, copies=1, size=16, codec="png", workers=1))
    return out


def config(dataset: Path, out: Path, **changes: Any) -> TrainConfig:
    base = TrainConfig(
        shards=dataset, model="tiny", batch_size=8, epochs=2, workers=0, device="cpu", out=out
    )
    return dataclasses.replace(base, **changes)


@pytest.fixture(scope="module")
def whole(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The undisturbed run."""
    out = Path(tmp_path_factory.mktemp("whole") / "run")
    train(config(dataset, out))
    return out


def assert_same_run(folder: Path, whole: Path) -> None:
    for name in ("last.pt", "best.pt"):
        one, other = load_checkpoint(folder / name), load_checkpoint(whole / name)
        assert (one.epoch, one.batch, one.best_epoch) == (
            other.epoch,
            other.batch,
            other.best_epoch,
        )
        assert one.model.keys() == other.model.keys()
        assert all(torch.equal(one.model[key], other.model[key]) for key in one.model)
    one_record, other_record = (read_record(path / "run.json") for path in (folder, whole))
    assert one_record["test"] == other_record["test"]
    names = {path.name for path in whole.iterdir() if "tfevents" not in path.name}
    assert {path.name for path in folder.iterdir() if "tfevents" not in path.name} == names


def go_on(dataset: Path, out: Path) -> None:
    train(config(dataset, out, resume=(out / "last.pt").exists()))


def full_disk() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("trouble", ["power cut", "full disk"])
def test_any_instant(dataset: Path, whole: Path, tmp_path: Path, power: Any, trouble: str) -> None:
    cut = power.cut
    if trouble == "full disk":
        cut = lambda *given: power.cut(*given, full_disk, ("replace", "mkdir"))  # noqa: E731
    instants = 0
    for after in range(0, 1000, EVERY):
        out = tmp_path / f"run-{after}"
        try:
            with cut(out, after):
                train(config(dataset, out))
            break
        except power.Cut:
            assert trouble == "power cut"
        except AugcliError as error:
            assert trouble == "full disk"
            assert "No space left on device" in str(error) and str(out) in str(error)
            assert "\n" not in str(error)
        instants += 1
        for path in out.glob("*.pt"):
            load_checkpoint(path)
        go_on(dataset, out)
        assert_same_run(out, whole)
    assert instants > 3
    assert_same_run(out, whole)


def test_a_shard_deleted_underfoot(dataset: Path, whole: Path, tmp_path: Path) -> None:
    """Before it is read, that is: what is open stays."""
    copy, out = tmp_path / "dataset", tmp_path / "run"
    shutil.copytree(dataset, copy)
    (shard,) = copy.glob("shards/train-r001-*.tar")

    def delete(step: Progress) -> None:
        if (step.epoch, step.batch) == (1, 2):
            shard.rename(tmp_path / "away")

    with pytest.raises(AugcliError, match=r"train-r001.*can't be read") as told_of:
        train(config(copy, out), progress=delete)
    assert str(shard) in str(told_of.value)
    assert load_checkpoint(out / "last.pt").epoch == 1
    (tmp_path / "away").rename(shard)
    go_on(copy, out)
    assert_same_run(out, whole)


def test_a_clock_that_jumps(
    dataset: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By years, to and fro; and while the run is stopped."""
    real, jumps, out = time.time, [0.0], tmp_path / "run"
    monkeypatch.setattr(time, "time", lambda: real() + jumps[0])

    def jump(step: Progress) -> None:
        jumps[0] = 3e7 * (step.batch - 2)
        if (step.epoch, step.batch) == (2, 1):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(config(dataset, out), progress=jump)
    os.utime(out / "last.pt", (0, 0))
    jumps[0] = -1e9
    go_on(dataset, out)
    assert_same_run(out, whole)
    assert all(0 <= row.seconds < 3600 for row in read_summary(out / "summary.csv"))


@pytest.mark.parametrize(
    ("error", "whose"),
    [
        (MemoryError(), "machine"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 5 bytes"), "machine"),
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "GPU"),
    ],
)
def test_no_memory_is_told_and_the_run_goes_on(
    dataset: Path, whole: Path, tmp_path: Path, error: Exception, whose: str
) -> None:
    out = tmp_path / "run"

    def fail(step: Progress) -> None:
        if (step.epoch, step.batch) == (2, 2):
            raise error

    with pytest.raises(AugcliError, match=f"the memory of the {whose} ran out") as failed:
        train(config(dataset, out), progress=fail)
    assert f"--out {out} --resume" in str(failed.value)
    go_on(dataset, out)
    assert_same_run(out, whole)


def test_other_errors_are_not_taken_for_it(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="shape"), told(tmp_path, lambda: ""):
        raise RuntimeError("shape mismatch")
