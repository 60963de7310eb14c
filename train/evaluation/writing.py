"""The files of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from augcli.augment.corruptions.registry import CORRUPTIONS
from augcli.augment.corruptions.severities import SEVERITIES
from augcli.augment.decode import Pixels
from augcli.manifests.errors import AugcliError
from augcli.train.evaluation.data import SplitData
from augcli.train.evaluation.folder import ResultFolder
from augcli.train.evaluation.pictures import WrongImage, draw_reliability, draw_wrong
from augcli.train.evaluation.predictions import Predictions
from augcli.train.evaluation.result import EvaluationResult
from augcli.train.evaluation.robustness import Robustness
from augcli.train.evaluation.robustness_pictures import draw_example, draw_robustness
from augcli.train.pictures import draw_confusion
from augcli.train.trained import Trained

RECORD, PREDICTIONS, TTA_PREDICTIONS = "evaluation.json", "predictions.csv", "predictions-tta.csv"
CONFUSION, RELIABILITY, WRONG = "confusion.png", "reliability.png", "wrong.png"
CORRUPTION_TABLE, CORRUPTION_CURVES = "corruptions.csv", "corruptions.png"
CORRUPTED = "corrupted.png"
NAMES = (
    *(RECORD, PREDICTIONS, TTA_PREDICTIONS, CONFUSION, RELIABILITY, WRONG),
    *(CORRUPTION_TABLE, CORRUPTION_CURVES, CORRUPTED),
)

MOST_WRONG = 24


def evaluation_folder(trained: Trained, data: SplitData, out: Path | None) -> ResultFolder:
    """`out`, or a folder beside the checkpoint that is named by what is measured.

    `evaluation-test`; of other data `evaluation-DATA-test`, of another checkpoint than `best.pt`
    `evaluation-test-last`.
    """
    if out is not None:
        return ResultFolder(out, NAMES)
    parts = ["evaluation", *([] if data.own else [data.reference]), data.name]
    if trained.path != trained.run.best:
        parts.append(trained.path.stem)
    return ResultFolder(trained.run.folder / "-".join(parts).replace("/", "-"), NAMES)


def write_evaluation(folder: ResultFolder, result: EvaluationResult) -> None:
    """Write tables and pictures, and then the record.

    Raises:
        AugcliError: a file can't be written, or an image can't be read again.
    """
    folder.begin()
    classes, data, scores = result.trained.classes, result.data, result.scores
    what = f"{data.reference}, {data.name}"
    _write_predictions(folder, PREDICTIONS, result, result.predictions)
    if result.tta is not None:
        _write_predictions(folder, TTA_PREDICTIONS, result, result.tta.predictions)
    title = f"{what}: accuracy {scores.accuracy:.3f}\n{scores.n:,} images"
    draw_confusion(folder.path(CONFUSION), scores.confusion, classes, title)
    title = f"{what}: expected calibration error {scores.calibration.ece:.3f}"
    draw_reliability(folder.path(RELIABILITY), scores.calibration, title)
    _draw_wrong(folder.path(WRONG), result, what)
    if result.robustness is not None:
        _write_robustness(folder, result, result.robustness)
    folder.write_record(result.to_json())


def _write_predictions(
    folder: ResultFolder, name: str, result: EvaluationResult, found: Predictions
) -> None:
    classes = result.trained.classes
    header = ("key", "path", "true", "predicted", *(f"p({name})" for name in classes))
    samples = zip(
        found.keys,
        result.data.paths,
        found.labels.tolist(),
        found.predicted.tolist(),
        found.probabilities.tolist(),
        strict=True,
    )
    rows = (
        (key, path, classes[true], classes[predicted], *probabilities)
        for key, path, true, predicted, probabilities in samples
    )
    folder.write_table(name, header, rows)


def _draw_wrong(path: Path, result: EvaluationResult, what: str) -> None:
    found, classes = result.predictions, result.trained.classes
    confidences = found.probabilities.max(axis=1)
    wrong = np.flatnonzero(~found.right)
    worst = wrong[np.argsort(-confidences[wrong], kind="stable")][:MOST_WRONG]
    if not len(worst):
        return
    images = [
        WrongImage(
            pixels=pixels,
            file=result.data.paths[number].rpartition("/")[2],
            true=classes[found.labels[number]],
            predicted=classes[found.predicted[number]],
            confidence=float(confidences[number]),
        )
        for number, pixels in zip(worst.tolist(), _plain(result, worst), strict=True)
    ]
    title = f"{what}: {len(wrong):,} of {len(found.keys):,} wrong, the most confident first"
    draw_wrong(path, images, title)


def _write_robustness(
    folder: ResultFolder, result: EvaluationResult, robustness: Robustness
) -> None:
    rows = (
        (name, CORRUPTIONS[name].group, severity, accuracy)
        for name, accuracies in zip(robustness.names, robustness.accuracies, strict=True)
        for severity, accuracy in zip(SEVERITIES, accuracies, strict=True)
    )
    header = ("corruption", "group", "severity", "accuracy")
    folder.write_table(CORRUPTION_TABLE, header, rows)
    commonest = float(result.scores.confusion.sum(axis=1).max()) / result.scores.n
    draw_robustness(folder.path(CORRUPTION_CURVES), robustness, commonest)
    sample, classes = robustness.example.sample, result.trained.classes
    found = result.predictions
    draw_example(
        folder.path(CORRUPTED),
        robustness,
        image=_plain(result, np.array([sample]))[0],
        key=found.keys[sample],
        classes=classes,
        truth=classes[found.labels[sample]],
    )


def _plain(result: EvaluationResult, samples: np.ndarray) -> Sequence[Pixels]:
    """The plain views of some samples, read again."""
    side = result.trained.size[0]
    pixels = np.empty((len(samples), side, side, 3), np.uint8)
    faults = result.data.views.read(samples, 0, pixels)
    if faults:
        raise AugcliError(faults[0][1])
    return list(pixels)
