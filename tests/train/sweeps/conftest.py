"""A training that takes no time: its accuracy is a function of its options and the epoch."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augcli.manifests.errors import AugcliError
from augcli.train.config import TrainConfig
from augcli.train.record import Row, RunFolder, read_summary, write_record, write_summary
from augcli.train.sweeps import report, trial
from augcli.train.sweeps.config import SweepConfig

BEST_LR = 0.01
IMAGES = 200


def accuracy_of(config: TrainConfig) -> float:
    """Best near a learning rate of 0.01, better with cosine, a little by seed."""
    away = abs(math.log10((config.lr or BEST_LR) / BEST_LR))
    bonus = 0.02 if config.sched == "cosine" else 0.0
    return max(0.1, 0.8 - 0.2 * away + bonus + 0.001 * (config.seed % 3))


class StubTraining:
    """In the place of `train`: writes what a run writes, and remembers what was trained."""

    def __init__(self) -> None:
        self.begun: list[TrainConfig] = []
        self.before_epoch: Callable[[TrainConfig, int], None] = lambda config, epoch: None

    def __call__(self, config: TrainConfig, report: Callable[[Row], None]) -> None:
        self.begun.append(config)
        assert config.out is not None
        run = RunFolder(config.out)
        run.folder.mkdir(exist_ok=True)
        run.last.touch()
        rows = read_summary(run.summary) if config.resume and run.summary.exists() else []
        while len(rows) < config.epochs:
            epoch = len(rows) + 1
            self.before_epoch(config, epoch)
            if config.lr is not None and config.lr > 100:
                raise AugcliError(f"epoch {epoch}: the loss is nan: try a lower --lr; …")
            accuracy = accuracy_of(config) * epoch / config.epochs
            rows.append(Row(epoch, 2 / epoch, accuracy, 1 - accuracy, accuracy, 0.1, 1.0, 0.1, 9.0))
            write_summary(run.summary, rows)
            report(rows[-1])
        write_record(run.record, self._record(rows))

    def _record(self, rows: list[Row]) -> dict[str, Any]:
        last = rows[-1]
        return {
            "best_epoch": last.epoch,
            "seconds": float(len(rows)),
            "validation": {"accuracy": last.val_accuracy, "loss": last.val_loss, "n": IMAGES},
            "test": {"accuracy": 0.5},
        }

    @property
    def folders(self) -> list[str]:
        """The names of the runs, in the order in which they were begun."""
        return [config.out.name for config in self.begun if config.out is not None]


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> StubTraining:
    training = StubTraining()
    monkeypatch.setattr(trial, "train", training)
    monkeypatch.setattr("os.fsync", lambda file: None)  # hundreds of small files
    for name in ("draw_curves", "draw_rates"):  # half a second each
        monkeypatch.setattr(report, name, lambda path, result: path.touch())
    return training


@pytest.fixture
def config_of(split_photos: Path, tmp_path: Path) -> Callable[..., Any]:
    """A sweep over tiny images with nothing to expand, into a folder of its own."""

    def made(**options: Any) -> Any:
        fixed = {
            "data": str(split_photos), "source": "on-the-fly", "policy": "basic", "size": "16",
            "epochs": "4", "out": tmp_path / "sweep", "device": "cpu", "jobs": 1,
        }  # fmt: skip
        return SweepConfig(**{**fixed, **options})

    return made
