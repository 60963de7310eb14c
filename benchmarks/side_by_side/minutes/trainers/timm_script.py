"""What timm's train.py does, by its own factories, with its defaults and two sets of options.

https://github.com/huggingface/pytorch-image-models/blob/main/train.py
"""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import torch
from timm.data import FastCollateMixup, create_dataset, create_loader, resolve_data_config
from timm.loss import BinaryCrossEntropy, LabelSmoothingCrossEntropy
from timm.models import create_model
from timm.optim import create_optimizer_v2, optimizer_kwargs
from timm.scheduler import create_scheduler_v2, scheduler_kwargs
from timm.utils import random_seed
from torch import Tensor, nn

from augcli.train.forward import choose_precision
from side_by_side.minutes.by_epochs import Batches, Loop, run_planned
from side_by_side.minutes.outcome import Outcome
from side_by_side.minutes.work import TRAIN, MinutesWork

CPU = torch.device("cpu")
DEFAULTS = {
    "batch_size": 128,
    **{"opt": "sgd", "momentum": 0.9, "weight_decay": 2e-5},
    "lr": 0.1 * 128 / 256,  # --lr-base for batches of --lr-base-size
    **{"sched": "cosine", "warmup_lr": 1e-5, "min_lr": 0.0, "sched_on_updates": False},
    **{"scale": (0.08, 1.0), "ratio": (3 / 4, 4 / 3), "hflip": 0.5, "color_jitter": 0.4},
    **{"aa": None, "mixup": 0.0, "cutmix": 0.0, "train_interpolation": "random"},
    **{"smoothing": 0.1, "bce_loss": False, "bce_target_thresh": None, "amp": False},
}
A3 = {
    **{"opt": "lamb", "weight_decay": 0.02},
    "lr": 8e-3 * (128 / 2048) ** 0.5,  # as train.py scales the rate of this optimiser
    **{"aa": "rand-m6-mstd0.5-inc1", "mixup": 0.1, "cutmix": 1.0},
    **{"smoothing": 0.0, "bce_loss": True, "bce_target_thresh": 0.2, "amp": True},
}
WARMUP_EPOCHS = 5
OF_EPOCHS = {"scaled": 300, "a3": 100}
"""Of how many epochs the warm-up is a part, where it is scaled."""


def options_of(variant: str, epochs: int) -> SimpleNamespace:
    """What train.py makes of its command line: `defaults`, `scaled` or `a3`."""
    options = {**DEFAULTS, "epochs": epochs, "warmup_epochs": WARMUP_EPOCHS}
    if variant in OF_EPOCHS:
        options["warmup_epochs"] = WARMUP_EPOCHS * epochs / OF_EPOCHS[variant]
        options["sched_on_updates"] = True
    return SimpleNamespace(**{**options, **(A3 if variant == "a3" else {})})


class Script(Loop):
    """The script at another size and for other numbers of epochs."""

    def __init__(self, work: MinutesWork, variant: str) -> None:
        self._work, self._variant = work, variant
        self._options = options_of(variant, epochs=1)
        self._classes = sum(path.is_dir() for path in work.split(TRAIN).iterdir())
        self._loss = self._loss_function()
        dtype = choose_precision("auto", CPU) if self._options.amp else None
        self._precision = torch.autocast("cpu", dtype) if dtype is not None else nullcontext()

    def _loss_function(self) -> nn.Module:
        options = self._options
        if options.bce_loss:
            return BinaryCrossEntropy(options.smoothing, options.bce_target_thresh)
        return LabelSmoothingCrossEntropy(options.smoothing)

    def loader(self) -> Any:
        """Whole batches of shuffled images, mixed while they are put together."""
        options, seen = self._options, self._seen()
        mixes = options.mixup > 0 or options.cutmix > 0
        return create_loader(
            create_dataset("", self._work.data, TRAIN, is_training=True),
            input_size=seen["input_size"],
            batch_size=options.batch_size,
            is_training=True,
            scale=options.scale,
            ratio=options.ratio,
            hflip=options.hflip,
            color_jitter=options.color_jitter,
            auto_augment=options.aa,
            interpolation=options.train_interpolation,
            mean=seen["mean"],
            std=seen["std"],
            num_workers=self._work.workers,
            collate_fn=FastCollateMixup(
                mixup_alpha=options.mixup,
                cutmix_alpha=options.cutmix,
                label_smoothing=options.smoothing,
                num_classes=self._classes,
            )
            if mixes
            else None,
            device=CPU,
        )

    def prepare(self, epochs: int) -> None:
        """A new model, with the optimiser and the schedule of the options."""
        random_seed(self._work.seed)
        self._options = options_of(self._variant, epochs)
        self._model = create_model("resnet18", num_classes=self._classes).train()
        self._optimizer = create_optimizer_v2(self._model, **optimizer_kwargs(self._options))
        self._schedule, _ = create_scheduler_v2(
            self._optimizer,
            **scheduler_kwargs(self._options),
            updates_per_epoch=len(self.loader()),
        )
        self._updates = 0

    def step(self, images: Tensor, labels: Tensor) -> None:
        """The schedule may take no notice of steps."""
        with self._precision:
            loss = self._loss(self._model(images), labels)
        loss.backward()
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._updates += 1
        self._schedule.step_update(self._updates)

    def end_epoch(self, epoch: int) -> None:
        """Or none of epochs."""
        self._schedule.step(epoch)

    def model(self) -> nn.Module:
        """As it is."""
        return self._model

    def batches(self, split: str) -> Batches:
        """The middle of each image."""
        loader: Batches = create_loader(
            create_dataset("", self._work.data, split),
            batch_size=self._options.batch_size,
            num_workers=self._work.workers,
            device=CPU,
            **self._seen(),
        )
        return loader

    def _seen(self) -> dict[str, Any]:
        """What the model wants to see: size, mean, crop and so on."""
        return dict(resolve_data_config({"img_size": self._work.size}, model=self._model))


def run(work: MinutesWork, variant: str) -> Outcome:
    """`defaults`, `scaled` or `a3`."""
    return run_planned(Script(work, variant), work)
