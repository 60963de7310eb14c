"""`augcli evaluate`: a trained model shown a split, plainly, with TTA, and corrupted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import torch

from augcli.augment.corruptions.registry import parse_corruptions
from augcli.augment.corruptions.severities import SEVERITIES
from augcli.manifests.reference import Failure
from augcli.manifests.settings import check_settings
from augcli.train.evaluation.config import SPLITS, EvaluateConfig
from augcli.train.evaluation.data import RunData, SplitData
from augcli.train.evaluation.paired import compare
from augcli.train.evaluation.predictions import Predictions, Predictor
from augcli.train.evaluation.result import EvaluationResult, TtaResult
from augcli.train.evaluation.robustness import measure_robustness
from augcli.train.evaluation.run_options import DataOptions
from augcli.train.evaluation.scores import score
from augcli.train.evaluation.shrunk_views import at_size
from augcli.train.evaluation.tta import Tta, averaged, parse_tta
from augcli.train.evaluation.variants import Variants, kept, unaltered
from augcli.train.evaluation.writing import evaluation_folder, write_evaluation
from augcli.train.step import choose_device
from augcli.train.trained import Trained, load_trained


def evaluate_run(
    run: Path,
    config: EvaluateConfig,
    progress: Callable[[int, int], None] | None = None,
    left_out: Callable[[tuple[Failure, ...]], None] | None = None,
    note: Callable[[str], None] | None = None,
) -> EvaluationResult:
    """Measure the model of `run`, a folder of `augcli train` or a checkpoint's file.

    `progress` hears how many images of how many were shown, `left_out` of those that can't be
    used, and `note` of what a user may want to know.

    Raises:
        UsageError: bad options, no model there, or data of other classes.
        AugcliError: the checkpoint is damaged, the images aren't there, or one can't be read.
    """
    config = check_settings(config)
    names = parse_corruptions(config.corruptions) if config.corruptions is not None else ()
    device = choose_device(config.device)
    trained = load_trained(run, device)
    tta = parse_tta(config.tta, trained) if config.tta is not None else None
    data = _opened(trained, config, left_out, note)
    folder = evaluation_folder(trained, data, config.out)
    folder.check()
    passes = 1 + (tta.count if tta else 0) + len(names) * len(SEVERITIES)
    with closing(data.views):
        if passes > 1:
            data = _kept(data, trained)
        predictor = _predictor(trained, config, device, passes * len(data.views.samples), progress)
        [plain] = predictor.each(Variants(data.views, unaltered, 1))
        result = EvaluationResult(
            folder=folder.folder,
            trained=trained,
            data=data,
            predictions=plain,
            scores=score(plain),
            tta=_with_tta(tta, data, plain, predictor) if tta else None,
            robustness=measure_robustness(names, data.views, trained.size[0], plain, predictor)
            if names
            else None,
        )
        write_evaluation(folder, result)
    return result


def _opened(
    trained: Trained,
    config: EvaluateConfig,
    left_out: Callable[[tuple[Failure, ...]], None] | None,
    note: Callable[[str], None] | None,
) -> SplitData:
    run_data = RunData(trained, DataOptions(config.shards, config.data))
    data = run_data.split(SPLITS[config.split] if config.split is not None else None)
    if left_out is not None and data.failures:
        left_out(data.failures)
    if note is not None:
        for line in data.notes:
            note(line)
    return data


def _kept(data: SplitData, trained: Trained) -> SplitData:
    """Views that will be seen several times."""
    stored = kept(data.stored, data.stored_size)
    views = at_size(stored, data.stored_size, trained.size[0])
    return dataclasses.replace(data, views=views, stored=stored)


def _predictor(
    trained: Trained,
    config: EvaluateConfig,
    device: torch.device,
    total: int,
    progress: Callable[[int, int], None] | None,
) -> Predictor:
    done = 0

    def seen(images: int) -> None:
        nonlocal done
        done += images
        if progress is not None:
            progress(done, total)

    return Predictor(trained, device, config.batch_size, config.workers, seen)


def _with_tta(tta: Tta, data: SplitData, plain: Predictions, predictor: Predictor) -> TtaResult:
    views = at_size(data.stored, data.stored_size, tta.size)
    altered = Variants(views, tta.alter, tta.count)
    shown = at_size(altered, tta.size, predictor.size)
    found = averaged(plain, predictor.each(shown, tta.count), with_plain=tta.with_plain)
    return TtaResult(tta.about, found, score(found), compare(plain.right, found.right))
