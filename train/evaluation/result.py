"""What an evaluation found, and its record."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augcli.manifests.hashing import sha256_file
from augcli.manifests.versions import PIXEL_PACKAGES, package_versions
from augcli.train.evaluation.data import SplitData
from augcli.train.evaluation.paired import Paired
from augcli.train.evaluation.predictions import Predictions
from augcli.train.evaluation.robustness import Robustness
from augcli.train.evaluation.scores import Scores
from augcli.train.trained import Trained

FORMAT = "augcli-evaluation"
VERSION = 1


@dataclass(frozen=True)
class TtaResult:
    """Test-time augmentation, held against the plain views."""

    about: str
    predictions: Predictions
    scores: Scores
    paired: Paired
    """First without, then with it."""

    def to_json(self, classes: tuple[str, ...]) -> dict[str, Any]:
        """As plain values."""
        return {
            "views": self.about,
            "difference": self.paired.difference,
            "difference_interval_95": list(self.paired.interval),
            "difference_interval": "paired bootstrap",
            "gained": self.paired.gained,
            "lost": self.paired.lost,
            "p_value": self.paired.p_value,
            "p_value_test": "McNemar, exact",
            **self.scores.to_json(classes),
        }


@dataclass(frozen=True)
class EvaluationResult:
    """What an evaluation found."""

    folder: Path
    trained: Trained
    data: SplitData
    predictions: Predictions
    scores: Scores
    tta: TtaResult | None
    robustness: Robustness | None

    def to_json(self) -> dict[str, Any]:
        """`evaluation.json`."""
        trained, data = self.trained, self.data
        classes = trained.classes
        return {
            "format": FORMAT,
            "version": VERSION,
            "checkpoint": {
                "file": trained.path.name,
                "sha256": sha256_file(trained.path),
                "model": trained.checkpoint.model_name,
                "epochs": trained.checkpoint.epoch,
            },
            "data": {
                "reference": data.reference,
                "fingerprint": data.fingerprint,
                "trained_on": data.own,
                "split": data.name,
                "failures": [dataclasses.asdict(failure) for failure in data.failures],
                "seen_by_the_run": None
                if data.seen is None
                else [{"source": each.source, "reason": each.reason} for each in data.seen],
            },
            **self.scores.to_json(classes),
            "tta": self.tta.to_json(classes) if self.tta else None,
            "robustness": self.robustness.to_json() if self.robustness else None,
            "versions": package_versions([*PIXEL_PACKAGES, "torch", "torchvision"]),
        }
