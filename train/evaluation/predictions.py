"""What a trained model says of each image of a split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from augcli.manifests.errors import AugcliError
from augcli.train.batch import Source
from augcli.train.config import TrainConfig
from augcli.train.dataset import open_dataset
from augcli.train.evaluation.measures import Probabilities
from augcli.train.feeding import batches_on
from augcli.train.loading import Loading
from augcli.train.step import choose_device
from augcli.train.trained import Trained, load_trained
from augcli.train.views import Views


@dataclass(frozen=True)
class Predictions:
    """Of all samples of a split, in the order of their keys."""

    keys: Sequence[str]
    labels: npt.NDArray[np.int64]
    """True classes (N,)."""
    probabilities: Probabilities

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """The most probable class of each (N,); of equals, the first."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Which were recognised (N,)."""
        return np.asarray(self.predicted == self.labels)


class Predictor:
    """Shows views to a model, a batch at a time: memory is bounded by the batch."""

    def __init__(
        self,
        trained: Trained,
        device: torch.device,
        batch_size: int,
        workers: int | None = None,
        seen: Callable[[int], None] | None = None,
    ) -> None:
        """`seen` hears of each batch, by its number of images."""
        self._trained, self._device, self._seen = trained, device, seen
        self.size = trained.size[0]
        config = TrainConfig(batch_size=batch_size, workers=workers, memory="0", epochs=1)
        self._loading = Loading(config, self.size, device)

    def each(self, views: Views, variants: int = 1) -> Iterator[Predictions]:
        """The predictions for variants (epochs) 0 to `variants` - 1 of `views`; then closes them.

        Raises:
            AugcliError: an image can't be had, or the model gives no numbers.
        """
        source = self._loading.evaluation(views, again=False)
        with closing(source):
            for variant in range(variants):
                yield Predictions(
                    views.samples.keys, views.samples.labels, self._probabilities(source, variant)
                )

    def _probabilities(self, source: Source, variant: int) -> Probabilities:
        trained, device = self._trained, self._device
        probabilities = np.full((source.samples, len(trained.classes)), np.nan)
        with torch.inference_mode():
            for batch in batches_on(device, source, variant):
                # In float64, for the losses of images that the model is very wrong about.
                logits = trained.logits(batch.images).double()
                probabilities[batch.indices] = functional.softmax(logits, dim=1).cpu().numpy()
                if self._seen is not None:
                    self._seen(len(batch))
        if not np.isfinite(probabilities).all():
            raise AugcliError(f"{trained.path}: the model gives probabilities that are no numbers")
        return probabilities


def predictions_of(run: Path, config: TrainConfig, split: str) -> Predictions:
    """What a run of `config` makes of a stored split: in float32, whatever it was trained in.

    `run` is its folder or a checkpoint, as `load_trained` takes them.

    Raises:
        UsageError, AugcliError: as `load_trained`, `open_dataset` and `Predictor`.
    """
    device = choose_device(config.device)
    predictor = Predictor(load_trained(run, device), device, config.batch_size, config.workers)
    [found] = predictor.each(open_dataset(config).views(split))
    return found
