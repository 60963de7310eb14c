"""What a benchmark or an ablation is asked to do: the options, and their only defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from augcli.augment.config import DATA_HELP, POLICY_DEFAULT, POLICY_HELP, ExpandConfig
from augcli.manifests.settings import setting, setting_of
from augcli.train.config import AUTO, AUTO_LR, TrainConfig
from augcli.train.evaluation.config import EvaluateConfig

SHARED_LR = "shared"
DEFAULT_ARMS = "none,on-the-fly,shards"
SHARED_OPTIONS = (
    *("model", "stem", "weights", "epochs", "batch_size", "opt", "weight_decay", "sched"),
    *("label_smoothing", "precision"),
)
"""Options that decide a training, and that a comparison has too."""

# Small, so that every arm learns enough in minutes on a CPU for augmentation to show.
_SIZE = setting(64, "output size in pixels, square", minimum=8, maximum=4096)
_DATA = setting(None, DATA_HELP, shown_default="the embedded mock galaxies")


@dataclass(frozen=True)
class BenchmarkConfig:
    """Options of `augcli benchmark`."""

    data: str | None = _DATA
    policy: str | None = setting(None, POLICY_HELP, shown_default=POLICY_DEFAULT)
    policies: str | None = setting(
        None,
        "several policies to compare with each other instead, as none,rotate-flip,autoaugment",
        shown_default="one --policy",
    )
    arms: str | None = setting(
        None,
        "of none, on-the-fly, shards (for each of --copies), residual (shards with --residual on "
        "top) and originals (stored and augmented on the fly)",
        shown_default=f"{DEFAULT_ARMS}, and residual with --residual",
    )
    copies: str = setting(
        "1,5", "augmented copies stored of each training image: a number, or several, as 1,2,5,10"
    )
    residual: str | None = setting(
        None,
        "fresh transforms of whole batches on top of the fewest --copies, as flip,shift,erase; "
        "without a value: those of augcli train --residual auto",
        flag_value=AUTO,
        shown_default="none",
    )
    model: str = setting_of(TrainConfig, "model")
    stem: str = setting_of(TrainConfig, "stem")
    weights: str | None = setting_of(TrainConfig, "weights")
    epochs: int = setting(15, "epochs of each training", minimum=1)
    seeds: int = setting(3, "trainings per arm, each with its own seed", minimum=1)
    lr: float | str | None = setting(
        None,
        "peak learning rate; auto finds one for each arm by a range test, shared finds one on the "
        "fly for all",
        choices=(AUTO_LR, SHARED_LR),
        minimum=0.0,
        shown_default="by optimiser",
    )
    batch_size: int = setting_of(TrainConfig, "batch_size")
    opt: str = setting_of(TrainConfig, "opt")
    weight_decay: float | None = setting_of(TrainConfig, "weight_decay")
    sched: str = setting_of(TrainConfig, "sched")
    label_smoothing: float = setting_of(TrainConfig, "label_smoothing")
    corruptions: str | None = setting_of(EvaluateConfig, "corruptions")
    against: str | None = setting(
        None,
        "other libraries to read or make the same views with, those that are installed: "
        "webdataset, imagefolder, ffcv, litdata, mosaicml",
        shown_default="none",
    )
    budget: str | None = setting(
        None,
        "how long it may take, as 30m: what doesn't fit is left out, and named: --against, up to "
        "half of the epochs, arms, --corruptions, seeds, more epochs, in this order",
        shown_default="none",
    )
    size: int = _SIZE
    codec: str = setting_of(ExpandConfig, "codec")
    memory: str = setting(
        "0",
        "memory for decoded images while throughput is measured, as 2GB; 0 is what data larger "
        "than memory have. Trainings keep what fits: it changes no result",
    )
    precision: str = setting_of(TrainConfig, "precision")
    workers: int | None = setting_of(TrainConfig, "workers")
    device: str = setting_of(TrainConfig, "device")
    out: Path = setting(
        Path("runs/benchmark"),
        "folder of all that is made and measured; gone on with if it is there",
    )


@dataclass(frozen=True)
class AblateConfig:
    """Options of `augcli ablate`."""

    data: str | None = _DATA
    policy: str | None = setting(None, POLICY_HELP, shown_default=POLICY_DEFAULT)
    model: str = setting_of(TrainConfig, "model")
    stem: str = setting_of(TrainConfig, "stem")
    weights: str | None = setting_of(TrainConfig, "weights")
    epochs: int = setting(20, "epochs of each training", minimum=1)
    seeds: int = setting(5, "trainings of each policy, each with its own seed", minimum=2)
    lr: float | str | None = setting(
        None,
        "peak learning rate of all; auto finds one by a range test with the whole policy",
        choices=(AUTO_LR,),
        minimum=0.0,
        shown_default="by optimiser",
    )
    batch_size: int = setting_of(TrainConfig, "batch_size")
    opt: str = setting_of(TrainConfig, "opt")
    weight_decay: float | None = setting_of(TrainConfig, "weight_decay")
    sched: str = setting_of(TrainConfig, "sched")
    label_smoothing: float = setting_of(TrainConfig, "label_smoothing")
    alone: bool = setting(True, "train with each transform alone too, beside leaving each out")
    size: int = setting_of(BenchmarkConfig, "size")
    precision: str = setting_of(TrainConfig, "precision")
    workers: int | None = setting_of(TrainConfig, "workers")
    device: str = setting_of(TrainConfig, "device")
    out: Path = setting(
        Path("runs/ablation"),
        "folder of all that is made and measured; gone on with if it is there",
    )
