"""What a training run is asked to do: the options of `augcli train`, and their only defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from augcli.augment.config import (
    DEFAULT_DATASET,
    DEFAULT_SIZE,
    ON_ERROR,
)
from augcli.manifests.settings import setting, setting_of

SOURCES = ("shards", "on-the-fly", "none")
OPTIMISERS = ("sgd", "adam", "adamw", "rmsprop", "muon")
SCHEDULES = (
    *("constant", "step", "multistep", "exponential", "linear"),
    *("cosine", "sgdr", "cyclic", "onecycle", "plateau"),
)
CYCLIC_MODES = ("triangular", "triangular2", "exp_range")
DEVICES = ("auto", "cpu", "cuda")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
STEMS = ("auto", "small", "standard")
FROZEN_NORMS = ("frozen", "all")
REMOTE_SHUFFLE_BUFFER = 10_000
"""Samples: what comes from a URL is read one shard after another."""
LOADERS = ("auto", "threads", "processes")
AUTO, NONE = "auto", "none"
"""Where an option is left to the run, or does nothing."""
AUTO_LR = AUTO
"""A learning rate that a range test is to find."""

_MODEL_HELP = "small, or a torchvision classification model by name"


@dataclass(frozen=True)
class TrainConfig:
    """Options of `augcli train`."""

    source: str | None = setting(
        None,
        "where training views come from; none: fit only",
        choices=SOURCES,
        shown_default="shards, or on-the-fly with --data",
    )
    shards: str | None = setting(
        None,
        "expanded dataset, a folder or a URL: views, or what on-the-fly needs",
        shown_default=f"./{DEFAULT_DATASET}",
    )
    data: str | None = setting(
        None, "reference dataset to train from on the fly, with no expansion"
    )
    policy: str | None = setting(
        None,
        "preset or policy file, with --data or --source on-the-fly",
        shown_default="the manifest's",
    )
    residual: str | None = setting(
        AUTO,
        "fresh transforms of whole batches, as flip,affine,colour,erase,cutmix; auto: what the "
        "policy does as well, and erase; or none",
    )
    model: str = setting("small", _MODEL_HELP)
    stem: str = setting(
        "auto", "first layers: small keeps the maps of images up to 64 pixels large", choices=STEMS
    )
    weights: str | None = setting(
        None,
        "begin with a run's best.pt, a state_dict, .safetensors, or torchvision's, as DEFAULT",
        shown_default="none: from scratch",
    )
    freeze_to: int = setting(
        0, "first layer group that trains, the stem being 0; -1: the head only"
    )
    freeze_bn: str | None = setting(
        None,
        "hold batch normalisation as it is, in frozen groups or in all",
        choices=FROZEN_NORMS,
        flag_value=FROZEN_NORMS[0],
        shown_default="none is held",
    )
    precompute: bool = setting(
        False, "run the frozen layers once over each stored view, and train the head on that"
    )
    epochs: int = setting(30, "epochs: one view of every sample each", minimum=1)
    budget: str | None = setting(
        None,
        "train for so long instead of --epochs, validation and all, as 90s, 6m or 1h30m",
        shown_default="none",
    )
    batch_size: int = setting(64, "views per optimiser step", minimum=1)
    sizes: str | None = setting(
        AUTO,
        "image sizes to train at in turn, rising, as 64,96,128; auto: from half of the dataset's "
        "on, for small from scratch; or none",
    )
    size_epochs: str | None = setting(
        None,
        "epochs at each of --sizes, as 10,10,10; with --budget, parts of it",
        shown_default="as many at each",
    )
    size_batches: str | None = setting(
        None,
        "--batch-size at each of --sizes, as 128,64,32; auto: as many pixels in each batch",
        shown_default="the same at each",
    )
    opt: str = setting(
        AUTO,
        "optimiser; auto: muon from scratch, adamw with --weights",
        choices=(AUTO, *OPTIMISERS),
    )
    lr: float | str | None = setting(
        None,
        "peak learning rate; auto finds one by a range test, as augcli lr-find does",
        choices=(AUTO_LR,),
        minimum=0.0,
        shown_default="by optimiser",
    )
    lrs: str | None = setting(
        None, "peaks by layer group, the head's last, as 1e-4,1e-3,1e-2", shown_default="all --lr"
    )
    lr_mult: float | None = setting(
        None,
        "each layer group's peak is so many times the one's before it, as 3 or 10",
        minimum=1.0,
        shown_default="1",
    )
    weight_decay: float | None = setting(
        None,
        "weight decay, norms and biases exempt",
        minimum=0.0,
        shown_default="by optimiser",
    )
    sched: str = setting("linear", "learning-rate schedule", choices=SCHEDULES)
    warmup_epochs: float | None = setting(
        None,
        "epochs of linear warm-up; cyclic and onecycle have their own",
        minimum=0.0,
        shown_default="5 % of the steps, at most 5 epochs; 0 with --cycle-len",
    )
    min_lr: float | None = setting(
        None,
        "least learning rate after warm-up; base of cyclic, end of onecycle",
        minimum=0.0,
        shown_default="0; cyclic: peak / 4; onecycle: peak / 250000",
    )
    step_len: int | None = setting(
        None,
        "epochs between the drops of step",
        minimum=1,
        shown_default="a third of the run",
    )
    milestones: str | None = setting(
        None,
        "epochs after which multistep drops, as 30,60,80",
        shown_default="half and 3/4 of the run",
    )
    gamma: float | None = setting(
        None,
        "factor of each drop (step, multistep, plateau) or epoch (exponential, exp_range)",
        minimum=0.001,
        maximum=1.0,
        shown_default="0.1 a drop; over a run 0.01 (exponential), 0.2 (exp_range)",
    )
    cycle_len: int | None = setting(
        None,
        "epochs of the first cycle of sgdr, of every cycle of cyclic",
        minimum=1,
        shown_default="three cycles fill the run",
    )
    cycle_mult: int | None = setting(
        None,
        "each cycle of sgdr is so many times as long as the last",
        minimum=1,
        shown_default="2",
    )
    cycle_decay: float | None = setting(
        None,
        "factor of sgdr's peak at each restart",
        minimum=0.001,
        maximum=1.0,
        shown_default="1",
    )
    cyclic_mode: str | None = setting(
        None,
        "how cyclic's peaks go on: equal, halved, or down by --gamma",
        choices=CYCLIC_MODES,
        shown_default=CYCLIC_MODES[0],
    )
    patience: int | None = setting(
        None,
        "epochs without a better validation loss that plateau lets pass",
        minimum=0,
        shown_default="5",
    )
    early_stopping: int | None = setting(
        None,
        "end after so many epochs in turn without a better validation accuracy",
        minimum=1,
        shown_default="never",
    )
    ema: float | None = setting(
        None,
        "validate and keep a moving average of the weights, with this decay, as 0.999",
        minimum=0.0,
        below=1.0,
        shown_default="off",
    )
    swa_start: float | None = setting(
        None,
        "average the weights of epochs from this part of the run on, as 0.75; try that at the end",
        minimum=0.0,
        below=1.0,
        shown_default="off",
    )
    snapshots: bool = setting(
        False, "keep the weights at each cycle's end (sgdr, cyclic), and try them together"
    )
    label_smoothing: float = setting(
        0.1, "share of each label spread over all classes", minimum=0.0, below=1.0
    )
    clip_norm: float | None = setting(
        None,
        "greatest norm of all gradients together",
        minimum=1e-9,
        shown_default="no limit",
    )
    accumulate: int = setting(
        1,
        "compute each batch in so many parts, whose gradients are added: for lack of memory",
        minimum=1,
    )
    precision: str = setting(
        "auto", "auto: bf16 where the processor or GPU has it, else fp32", choices=PRECISIONS
    )
    compile: bool = setting(False, "torch.compile the model: faster steps after minutes of work")
    seed: int = setting(
        0, "seed of weights, order and (with --data) views", minimum=0, maximum=2**63 - 1
    )
    workers: int | None = setting(
        None,
        "loader threads or processes; 0 loads in the trainer",
        minimum=0,
        shown_default="one per core",
    )
    loader: str = setting(
        "auto",
        "auto takes threads, and processes for a policy that threads can't share",
        choices=LOADERS,
    )
    memory: str = setting(
        "auto", "memory for decoded images, as 2GB or 0; auto takes a quarter of what is free"
    )
    on_error: str = setting("fail", "what to do about a view that can't be read", choices=ON_ERROR)
    rounds: int | None = setting(
        None,
        "read only the first so many stored rounds, the originals being the first of all",
        minimum=1,
        shown_default="all",
    )
    from_originals: bool = setting(
        False, "on the fly, from the stored originals instead of the images' own files"
    )
    shuffle_buffer: int | None = setting(
        None,
        "read shards one after another, shuffling among so many samples",
        minimum=1,
        shown_default=f"off: any order, from all shards; {REMOTE_SHUFFLE_BUFFER:,} with a URL",
    )
    cache: Path | None = setting(
        None, "folder for shards from a URL", shown_default="in the user's cache"
    )
    cache_size: str = setting("20GB", "how much the cache may hold")
    device: str = setting("auto", "auto takes CUDA when there is one", choices=DEVICES)
    out: Path | None = setting(None, "folder of this run", shown_default="./runs/NNN-SOURCE")
    resume: bool = setting(False, "continue the run in --out, or the newest one")
    size: int | None = setting(
        None,
        "output size in pixels, with --data",
        minimum=8,
        maximum=4096,
        shown_default=str(DEFAULT_SIZE),
    )


@dataclass(frozen=True)
class ScheduleConfig:
    """Options of `augcli schedule`: those of training that decide the learning rate."""

    sched: str = setting(TrainConfig.sched, "schedules, as cosine,sgdr; or all")
    epochs: int = setting_of(TrainConfig, "epochs")
    batch_size: int = setting_of(TrainConfig, "batch_size")
    opt: str = setting_of(TrainConfig, "opt")
    lr: float | str | None = setting_of(TrainConfig, "lr")
    lrs: str | None = setting_of(TrainConfig, "lrs")
    warmup_epochs: float | None = setting_of(TrainConfig, "warmup_epochs")
    min_lr: float | None = setting_of(TrainConfig, "min_lr")
    step_len: int | None = setting_of(TrainConfig, "step_len")
    milestones: str | None = setting_of(TrainConfig, "milestones")
    gamma: float | None = setting_of(TrainConfig, "gamma")
    cycle_len: int | None = setting_of(TrainConfig, "cycle_len")
    cycle_mult: int | None = setting_of(TrainConfig, "cycle_mult")
    cycle_decay: float | None = setting_of(TrainConfig, "cycle_decay")
    cyclic_mode: str | None = setting_of(TrainConfig, "cyclic_mode")
    patience: int | None = setting_of(TrainConfig, "patience")
    samples: int | None = setting(
        None, "training samples per epoch", minimum=1, shown_default="counted"
    )
    shards: Path | None = setting(
        None, "expanded dataset to count them in", shown_default=f"./{DEFAULT_DATASET}"
    )
    data: str | None = setting(None, "reference dataset to count them in instead")
    plot: Path | None = setting(None, "picture to write, a PNG", shown_default="none")
