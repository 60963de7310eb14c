"""fastai as its book trains an image classifier, but from scratch: chapters 5 and 7.

https://github.com/fastai/fastbook
"""

from __future__ import annotations

from fastai.vision.all import (
    Callback,
    CancelFitException,
    CancelValidException,
    ImageDataLoaders,
    Learner,
    Normalize,
    Resize,
    aug_transforms,
    get_image_files,
    imagenet_stats,
    resnet18,
    set_seed,
    vision_learner,
)
from torch import Tensor, nn

from side_by_side.minutes.by_epochs import Batches, ByEpochs, run_planned
from side_by_side.minutes.outcome import Outcome
from side_by_side.minutes.planning import WARM_UP_STEPS, Probe, Stopwatch
from side_by_side.minutes.work import TRAIN, VALIDATION, MinutesWork

PRESIZE = 460 / 224
"""Of the book: images are first resized to this times the size, then warped and cropped at once."""
MIN_SCALE = 0.75


class NoValidation(Callback):  # type: ignore[misc]
    """Only what trains is timed."""

    def before_validate(self) -> None:
        """Leave it out."""
        raise CancelValidException


class Until(Callback):  # type: ignore[misc]
    """Ends a training when the stopwatch says so."""

    def __init__(self, watch: Stopwatch) -> None:
        self.watch = watch

    def after_batch(self) -> None:
        """Count the step."""
        if self.watch.step():
            raise CancelFitException


class FromScratch(ByEpochs):
    """`vision_learner` without pre-trained weights."""

    def __init__(self, work: MinutesWork) -> None:
        self._work = work

    def probe(self, most_seconds: float) -> Probe:
        """Time steps of a learner that is thrown away."""
        learner = self._new()
        _fit(learner, Until(Stopwatch(most_steps=WARM_UP_STEPS)))
        watch = Stopwatch(most_seconds=most_seconds)
        _fit(learner, Until(watch))
        return watch.probe(len(learner.dls.train))

    def prepare(self, epochs: int) -> None:
        """A new learner, and the rate that `lr_find` suggests for it."""
        self._learner = self._new()
        with self._learner.no_bar():
            self._lr = float(self._learner.lr_find(show_plot=False).valley)
        self.note = f"lr_find: {self._lr:.2g}"

    def train(self, epochs: int) -> int:
        """One cycle."""
        with self._learner.no_bar(), self._learner.no_logging():
            self._learner.fit_one_cycle(epochs, self._lr, cbs=NoValidation())
        batches = self._learner.dls.train
        return epochs * len(batches) * int(batches.bs)

    def model(self) -> nn.Module:
        """As it is."""
        model: nn.Module = self._learner.model
        return model

    def batches(self, split: str) -> Batches:
        """As fastai validates."""
        files = get_image_files(self._work.split(split))
        for images, labels in self._learner.dls.test_dl(files, with_labels=True):
            yield images.as_subclass(Tensor), labels.as_subclass(Tensor)

    def _new(self) -> Learner:
        set_seed(self._work.seed)
        size = self._work.size
        loaders = ImageDataLoaders.from_folder(
            self._work.data,
            train=TRAIN,
            valid=VALIDATION,
            item_tfms=Resize(round(size * PRESIZE)),
            batch_tfms=[
                *aug_transforms(size=size, min_scale=MIN_SCALE),
                Normalize.from_stats(*imagenet_stats),
            ],
            num_workers=self._work.workers,
            device="cpu",
        )
        path = self._work.run / "fastai"  # where lr_find keeps the weights meanwhile
        return vision_learner(loaders, resnet18, pretrained=False, path=path)


def _fit(learner: Learner, until: Until) -> None:
    with learner.no_bar(), learner.no_logging():
        learner.fit(1, cbs=[NoValidation(), until])


def run(work: MinutesWork, variant: str) -> Outcome:
    """There is but one variant."""
    return run_planned(FromScratch(work), work)
