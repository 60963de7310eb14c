"""All scores of a model on one split, worked out from its predictions."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from augcli.train import metrics
from augcli.train.evaluation.measures import Calibration, calibration, log_loss, one_vs_rest_auc
from augcli.train.evaluation.predictions import Predictions


@dataclass(frozen=True)
class ClassScores:
    """Of one class against all others; None where its samples say nothing."""

    samples: int
    precision: float | None
    recall: float | None
    f1: float | None
    roc_auc: float | None


@dataclass(frozen=True)
class Scores:
    """What a model did on one split. Shares are 0..1."""

    confusion: metrics.Counts
    """(classes, classes) int64, rows are true classes."""
    roc_aucs: tuple[float | None, ...]
    """Of each class against all others; None for one without samples."""
    log_loss: float
    """Mean cross-entropy in nats."""
    calibration: Calibration

    @property
    def n(self) -> int:
        """Samples."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """The share recognised."""
        return metrics.accuracy(self.confusion)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of `accuracy`."""
        return metrics.wilson_interval(int(self.confusion.trace()), self.n)

    @property
    def balanced_accuracy(self) -> float | None:
        """The mean recall of the classes that have samples."""
        return metrics.mean_of(metrics.per_class_recall(self.confusion))

    @property
    def macro_f1(self) -> float | None:
        """The mean F1 of the classes that have samples."""
        return metrics.mean_of(metrics.per_class_f1(self.confusion))

    @property
    def roc_auc(self) -> float | None:
        """The mean of `roc_aucs`: one-vs-rest, macro."""
        return metrics.mean_of(self.roc_aucs)

    @cached_property
    def classes(self) -> tuple[ClassScores, ...]:
        """By label."""
        return tuple(
            ClassScores(*values)
            for values in zip(
                self.confusion.sum(axis=1).tolist(),
                metrics.per_class_precision(self.confusion),
                metrics.per_class_recall(self.confusion),
                metrics.per_class_f1(self.confusion),
                self.roc_aucs,
                strict=True,
            )
        )

    def to_json(self, names: tuple[str, ...]) -> dict[str, Any]:
        """As plain values; `names` are the classes'."""
        return {
            "n": self.n,
            "accuracy": self.accuracy,
            "interval_95": list(self.interval),
            "balanced_accuracy": self.balanced_accuracy,
            "macro_f1": self.macro_f1,
            "roc_auc": self.roc_auc,
            "log_loss": self.log_loss,
            "ece": self.calibration.ece,
            "classes": dict(zip(names, map(asdict, self.classes), strict=True)),
            "confusion": self.confusion.tolist(),
            "reliability": [asdict(part) for part in self.calibration.bins],
        }


def score(predictions: Predictions) -> Scores:
    """All scores of `predictions`, of at least one sample."""
    probabilities, labels = predictions.probabilities, predictions.labels
    classes = probabilities.shape[1]
    return Scores(
        confusion=metrics.confusion_matrix(labels, predictions.predicted, classes),
        roc_aucs=tuple(one_vs_rest_auc(probabilities, labels)),
        log_loss=log_loss(probabilities, labels),
        calibration=calibration(probabilities.max(axis=1), predictions.right),
    )
