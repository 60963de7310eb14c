"""The trainings of a comparison: each an ordinary run in a folder of its own, measured and kept.

A training is known by what decides it: options, views and versions. They name its folder, so that
whatever is asked for later finds it, and what was interrupted goes on.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from augcli.manifests.errors import UsageError
from augcli.manifests.versions import package_versions
from augcli.train import metrics
from augcli.train.comparisons.expanding import digest_of
from augcli.train.comparisons.measurements import Training, packed, read_record, write_record
from augcli.train.comparisons.setups import deciding
from augcli.train.config import TrainConfig
from augcli.train.evaluation.measures import log_loss
from augcli.train.evaluation.predictions import predictions_of
from augcli.train.record import Row, RunFolder
from augcli.train.run import train
from augcli.train.sweeps.naming import readable_name
from augcli.train.trainer import TrainResult

TRAINING_FILE = "training.json"


@dataclass(frozen=True)
class Wanted:
    """A training of `arm`; `views` is a hash of what decides its views and the test images."""

    arm: str
    config: TrainConfig
    views: str

    @property
    def decided(self) -> dict[str, Any]:
        """What decides its result, plain."""
        versions = package_versions(("torch", "torchvision"))
        return {"options": deciding(self.config), "views": self.views, "versions": versions}


@dataclass(frozen=True)
class Kept:
    """`training.json`; `corrupted` has mean accuracies by the corruptions that were asked for."""

    decided: dict[str, Any]
    training: Training
    corrupted: dict[str, float] = field(default_factory=dict)


class Trainings:
    """The finished trainings in a folder, and how to add others."""

    def __init__(self, folder: Path, split: str) -> None:
        """`split`: the images that all are measured on."""
        self._folder, self._split = folder, split

    def run(self, wanted: Wanted) -> RunFolder:
        """Where it is or is to be."""
        name = f"{readable_name(wanted.arm)}-{wanted.config.seed}-{digest_of(wanted.decided)}"
        return RunFolder(self._folder / name)

    def kept(self, wanted: Wanted) -> Kept | None:
        """A finished training, or None.

        Raises:
            AugcliError: its record is damaged.
        """
        path = self.run(wanted).folder / TRAINING_FILE
        if not path.exists():
            return None
        found = read_record(path, Kept)
        training = dataclasses.replace(found.training, arm=wanted.arm)
        return dataclasses.replace(found, training=training)

    def train(self, wanted: Wanted, hear: Callable[[Row], None]) -> Kept:
        """Train, or go on with what was interrupted, and measure; `hear` hears of each epoch.

        Raises:
            Interrupted: SIGINT or SIGTERM came; the run was saved.
            AugcliError: as `train`.
        """
        run = self.run(wanted)
        config = dataclasses.replace(wanted.config, out=run.folder)
        result = _trained(config, run, hear)
        kept = Kept(wanted.decided, self._measured(wanted, result))
        self.write(wanted, kept)
        run.last.unlink(missing_ok=True)  # the optimiser's state, twice the model, is of no use now
        return kept

    def write(self, wanted: Wanted, kept: Kept) -> None:
        """Keep what is known of a training."""
        write_record(self.run(wanted).folder / TRAINING_FILE, kept)

    def _measured(self, wanted: Wanted, result: TrainResult) -> Training:
        found = predictions_of(result.folder, wanted.config, self._split)
        classes = len(result.record["classes"])
        confusion = metrics.confusion_matrix(found.labels, found.predicted, classes)
        return Training(
            arm=wanted.arm,
            seed=wanted.config.seed,
            lr=float(result.record["lr"]),
            epochs=len(result.rows),
            steps=int(result.record["steps"]),
            seconds=float(result.record["seconds"]),
            accuracy=metrics.accuracy(confusion),
            log_loss=log_loss(found.probabilities, found.labels),
            recalls=tuple(metrics.per_class_recall(confusion)),
            correct=packed(found.right),
        )


def _trained(config: TrainConfig, run: RunFolder, hear: Callable[[Row], None]) -> TrainResult:
    if run.last.exists():
        try:
            return train(dataclasses.replace(config, resume=True), report=hear)
        except UsageError:  # the expansion has grown meanwhile: not the same file any more
            shutil.rmtree(run.folder)
    return train(config, report=hear)


def of_all(kept: Mapping[Any, Kept], corruptions: str | None) -> tuple[Training, ...]:
    """The trainings, with what they make of `corruptions`."""
    return tuple(
        dataclasses.replace(
            one.training, corrupted=one.corrupted.get(corruptions) if corruptions else None
        )
        for one in kept.values()
    )
