"""Mean accuracy under corruptions, of many models at once: corrupting takes longer than seeing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import torch

from augcli.augment.corruptions.registry import corrupted
from augcli.augment.decode import Pixels
from augcli.train.config import TrainConfig
from augcli.train.evaluation.robustness import variants_of
from augcli.train.evaluation.variants import Variants
from augcli.train.feeding import batches_on
from augcli.train.loading import Loading
from augcli.train.trained import load_trained
from augcli.train.views import Views


def accuracies_under_corruptions(
    runs: Sequence[Path],
    views: Views,
    names: tuple[str, ...],
    device: torch.device,
    workers: int | None,
    hear: Callable[[int, int], None],
) -> list[float]:
    """Of each run's model, the mean accuracy over `names` and severities; closes `views`.

    `hear` is told how many of how many corruptions were had.

    Raises:
        AugcliError: an image or a model can't be had.
    """
    models = [load_trained(run, device) for run in runs]
    variants = variants_of(names)

    def alter(pixels: Pixels, key: str, variant: int) -> Pixels:
        name, severity = variants[variant]
        return corrupted(pixels, name, severity, key)

    config = TrainConfig(workers=workers, memory="0", epochs=1)
    loading = Loading(config, models[0].size[0], device)
    right = np.zeros(len(models), np.int64)
    with closing(views), torch.inference_mode():
        source = loading.evaluation(Variants(views, alter, len(variants)), again=False)
        with closing(source):
            for variant in range(len(variants)):
                hear(variant, len(variants))
                for batch in batches_on(device, source, variant):
                    labels = batch.labels.to(device)
                    for number, model in enumerate(models):
                        found = model.logits(batch.images).argmax(dim=1)
                        right[number] += int((found == labels).sum())
    return [float(count) / (len(variants) * len(views.samples)) for count in right]
