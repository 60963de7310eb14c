"""`augcli landscape`: the loss around a minimum, to be looked at; it is no score.

Batch normalisation keeps the statistics that training stored, as in the authors' code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.settings import check_settings
from augcli.train.evaluation.config import LandscapeConfig
from augcli.train.evaluation.data import RunData, SplitData, Subset
from augcli.train.evaluation.directions import (
    Direction,
    filter_normalised,
    gaussian_directions,
    moved,
)
from augcli.train.evaluation.folder import ResultFolder
from augcli.train.evaluation.landscape_picture import draw_landscape
from augcli.train.evaluation.landscape_result import (
    LINE,
    PICTURE,
    RECORD,
    Landscape,
    LandscapeResult,
    steps,
)
from augcli.train.evaluation.run_options import DataOptions
from augcli.train.step import choose_device
from augcli.train.trained import Trained, load_trained


@dataclass(frozen=True)
class Images:
    """Some images of one split: uint8 (N, 3, H, W) and int64 (N,), on the device."""

    split: str
    pixels: torch.Tensor
    labels: torch.Tensor


def landscape(
    runs: Sequence[Path],
    config: LandscapeConfig,
    progress: Callable[[int, int], None] | None = None,
    note: Callable[[str], None] | None = None,
) -> LandscapeResult:
    """Measure and draw the loss around the minima of `runs`, one or two of the same model.

    All are shown the images of the first run. `progress` hears how many of how many points are
    done.

    Raises:
        UsageError: bad options, no model there, or models that can't be compared.
        AugcliError: a checkpoint is damaged, or the images aren't there.
    """
    config = check_settings(config)
    device = choose_device(config.device)
    trained = [load_trained(run, device) for run in runs]
    _check_alike(trained)
    folder = ResultFolder(config.out or trained[0].run.folder / "landscape", (RECORD, PICTURE))
    folder.check()
    images = _images(trained[0], config, device, note)
    drawn = gaussian_directions(trained[0].model, 2, config.seed)
    measure = _Measure(config, images, device, len(trained), progress)
    landscapes = tuple(
        measure(model, name, drawn) for model, name in zip(trained, _names(trained), strict=True)
    )
    counts = {found.split: len(found.labels) for found in images}
    result = LandscapeResult(folder.folder, config, landscapes, counts, len(trained[0].classes))
    folder.begin()
    draw_landscape(result.picture, result)
    folder.write_record(result.to_json())
    return result


class _Measure:
    """Walks along the directions, and tells how far it is."""

    def __init__(
        self,
        config: LandscapeConfig,
        images: Sequence[Images],
        device: torch.device,
        runs: int,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._config, self._images, self._device = config, images, device
        self._progress, self._done = progress, 0
        per_run = len(steps(1, LINE * config.points)) * len(images)
        per_run += config.plane * len(steps(1, config.points)) ** 2
        self._total = runs * per_run

    def __call__(self, trained: Trained, name: str, drawn: Sequence[Direction]) -> Landscape:
        """The landscape of one run."""
        config = self._config
        ahead, aside = (filter_normalised(direction, trained.model) for direction in drawn)
        lines = {
            images.split: np.array(
                [
                    self._loss(trained, images, [ahead], [step])
                    for step in steps(config.span, LINE * config.points)
                ]
            )
            for images in self._images
        }
        plane = None
        if config.plane:
            ticks = steps(config.span, config.points)
            plane = np.array(
                [
                    [self._loss(trained, self._images[0], [ahead, aside], [x, y]) for x in ticks]
                    for y in ticks
                ]
            )
        return Landscape(name, lines, plane)

    def _loss(
        self,
        trained: Trained,
        images: Images,
        directions: Sequence[Direction],
        far: Sequence[float],
    ) -> float:
        """Mean cross-entropy, infinite where it is no number."""
        total = 0.0
        with moved(trained.model, directions, far), torch.inference_mode():
            for pixels, labels in zip(
                torch.split(images.pixels, self._config.batch_size),
                torch.split(images.labels, self._config.batch_size),
                strict=True,
            ):
                logits = trained.logits(pixels).double()
                total += float(functional.cross_entropy(logits, labels, reduction="sum"))
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)
        loss = total / len(images.labels)
        return loss if np.isfinite(loss) else np.inf


def _images(
    trained: Trained,
    config: LandscapeConfig,
    device: torch.device,
    note: Callable[[str], None] | None,
) -> list[Images]:
    """Plain training images, and those of validation or test where there are any."""
    data = RunData(trained, DataOptions(config.shards, config.data))
    held_out = next((split for split in ("val", "test") if data.has(split)), None)
    subset = Subset(config.samples, config.seed)
    opened = [data.split(split, subset) for split in ("train", held_out) if split is not None]
    if note is not None:
        for line in opened[0].notes:
            note(line)
    return [read_images(found, subset, trained.size[0], device) for found in opened]


def read_images(data: SplitData, subset: Subset, side: int, device: torch.device) -> Images:
    """The images of `data` that are in `subset`."""
    with closing(data.views) as views:
        numbers = np.array(subset.of(views.samples.keys), np.int64)
        pixels = np.empty((len(numbers), side, side, 3), np.uint8)
        faults = views.read(numbers, 0, pixels)
    if faults:
        raise AugcliError(faults[0][1])
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2)  # channels_last memory
    labels = torch.from_numpy(views.samples.labels[numbers])
    return Images(data.name, images.to(device), labels.to(device))


def _check_alike(trained: Sequence[Trained]) -> None:
    """Raises: UsageError: two runs whose weights or images have other shapes."""
    first, *others = trained
    for other in others:
        shapes = (
            {name: tensor.shape for name, tensor in found.model.state_dict().items()}
            for found in (first, other)
        )
        alike = first.size == other.size and first.classes == other.classes
        if not alike or len({tuple(found.items()) for found in shapes}) > 1:
            raise UsageError(
                f"{other.path.parent}: its model is another than that of {first.path.parent}: the "
                "same directions need the same --model, size and classes"
            )


def _names(trained: Sequence[Trained]) -> list[str]:
    """What the runs are called in pictures: their folders, and files where that isn't enough."""
    names = [found.path.resolve().parent.name for found in trained]
    if len(set(names)) < len(names):
        names = [f"{found.path.resolve().parent.name}/{found.path.name}" for found in trained]
    return names
