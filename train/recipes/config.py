"""The options of `augcli recipe`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from augcli.augment.config import ExpandConfig
from augcli.manifests.settings import setting, setting_of
from augcli.train.config import TrainConfig


@dataclass(frozen=True)
class RecipeConfig:
    """Options of `augcli recipe`."""

    shards: str | None = setting_of(TrainConfig, "shards")
    data: str | None = setting(
        None, "reference dataset, to be expanded into --out first", shown_default="none"
    )
    policy: str | None = setting(
        None, "preset or policy file, with --data", shown_default="by dataset"
    )
    copies: int = setting(
        ExpandConfig.copies,
        "augmented copies of each training image, with --data",
        minimum=1,
        maximum=10_000,
    )
    size: int | None = setting_of(TrainConfig, "size")
    model: str = setting("resnet18", "a torchvision classification model by name, or small")
    weights: str = setting(
        "DEFAULT", "pre-trained weights: a checkpoint, a state_dict, .safetensors, or torchvision's"
    )
    stem: str = setting("standard", "first layers; pre-trained ones are standard, as a rule")
    opt: str = setting_of(TrainConfig, "opt")
    lr: float | None = setting(
        None, "peak learning rate", minimum=0.0, shown_default="found, for the head and for all"
    )
    lr_mult: float = setting(
        3.0,
        "unfrozen, each third of the network learns so many times as fast as the one before it: "
        "3, or 10 where the data are like those of the pre-training",
        minimum=1.0,
    )
    head_epochs: int = setting(2, "epochs of the head on cached activations", minimum=1)
    head_cycles: int = setting(3, "cycles of the head on augmented views", minimum=0)
    cycle_len: int = setting(1, "epochs of a cycle, of the first one once unfrozen", minimum=1)
    cycle_mult: int = setting(
        2, "unfrozen, each cycle is so many times as long as the last", minimum=1
    )
    max_cycles: int = setting(4, "unfrozen, the most cycles, if it does not over-fit", minimum=1)
    batch_size: int = setting_of(TrainConfig, "batch_size")
    freeze_bn: bool = setting(True, "hold batch normalisation of frozen layers as pre-trained")
    precision: str = setting_of(TrainConfig, "precision")
    seed: int = setting_of(TrainConfig, "seed")
    workers: int | None = setting_of(TrainConfig, "workers")
    memory: str = setting_of(TrainConfig, "memory")
    device: str = setting_of(TrainConfig, "device")
    out: Path = setting(Path("runs/recipe"), "folder of the report and the runs")
