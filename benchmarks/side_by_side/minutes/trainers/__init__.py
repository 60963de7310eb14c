"""The registry of trainers. A trainer's module is imported only in processes of its own.

A module has `run(work, variant)`, which trains and gives the `Outcome`.
"""

from __future__ import annotations

from dataclasses import dataclass

from side_by_side.modules import missing


@dataclass(frozen=True)
class Trainer:
    """How one trainer is run: `needs` are the modules it imports, `about` its recipe."""

    title: str
    module: str
    variant: str = ""
    needs: tuple[str, ...] = ()
    about: str = ""

    def missing(self) -> list[str]:
        """The modules it needs that are not installed here."""
        return missing(self.needs)


_OWN = "side_by_side.minutes.trainers.own_recipe"
_TIMM = "side_by_side.minutes.trainers.timm_script"

STORED = "augcli-shards"
TRAINERS = {
    STORED: Trainer("augcli train, stored rounds", _OWN, "shards"),
    "augcli-fly": Trainer("augcli train, on the fly", _OWN, "fly"),
    "fastai": Trainer(
        "fastai, resnet18",
        "side_by_side.minutes.trainers.fastai_learner",
        needs=("fastai",),
        about="`vision_learner(pretrained=False)`, presizing and `aug_transforms`, batches of 64, "
        "`lr_find` (not counted) and `fit_one_cycle`",
    ),
    "torchvision": Trainer(
        "torchvision's reference, resnet18",
        "side_by_side.minutes.trainers.torchvision_reference",
        needs=("torchvision",),
        about="`references/classification/train.py`: SGD, its 0.1 for eight GPUs scaled to one "
        "batch of 32, crop and flip; its drops after 30 and 60 of 90 epochs come after one and two "
        "thirds of the run",
    ),
    "timm": Trainer(
        "timm's train.py, resnet18",
        _TIMM,
        "defaults",
        needs=("timm",),
        about="defaults but `--epochs`: SGD at 0.05, batches of 128, cosine after 5 epochs of "
        "warm-up",
    ),
    "timm-scaled": Trainer(
        "timm's train.py, warm-up to scale, resnet18",
        _TIMM,
        "scaled",
        needs=("timm",),
        about="the same, but the warm-up is as long a part of the run as 5 of its 300 epochs, and "
        "`--sched-on-updates`",
    ),
    "timm-a3": Trainer(
        "timm's train.py, A3, resnet18",
        _TIMM,
        "a3",
        needs=("timm",),
        about="procedure A3 of ResNet strikes back (https://arxiv.org/abs/2110.00476): LAMB, BCE, "
        "mixup, cutmix and RandAugment; its rate for batches of 2048 scaled to 128, its warm-up "
        "of 5 of 100 epochs to the run; `--amp-dtype bfloat16` where the processor has it",
    ),
}
OWN = tuple(name for name, trainer in TRAINERS.items() if trainer.module == _OWN)
