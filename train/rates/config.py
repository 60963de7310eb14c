"""Options of `augcli lr-find`: those of training that decide the loss, and the test's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from augcli.manifests.settings import setting, setting_of
from augcli.train.config import TrainConfig

SWEEPS = ("exponential", "linear")
RULE_NAMES = ("steep", "minimum/10", "slide", "valley")
"""In the order in which they are asked. The first is the default, for it came nearest to the best
rate of a grid (docs/lr-find.md); `slide` may be far too high, and `valley` far too low."""


@dataclass(frozen=True)
class LrFindConfig:
    """Options of `augcli lr-find`."""

    source: str | None = setting_of(TrainConfig, "source")
    shards: str | None = setting_of(TrainConfig, "shards")
    data: str | None = setting_of(TrainConfig, "data")
    policy: str | None = setting_of(TrainConfig, "policy")
    size: int | None = setting_of(TrainConfig, "size")
    residual: str | None = setting_of(TrainConfig, "residual")
    model: str = setting_of(TrainConfig, "model")
    stem: str = setting_of(TrainConfig, "stem")
    weights: str | None = setting_of(TrainConfig, "weights")
    freeze_to: int = setting_of(TrainConfig, "freeze_to")
    freeze_bn: str | None = setting_of(TrainConfig, "freeze_bn")
    batch_size: int = setting_of(TrainConfig, "batch_size")
    opt: str = setting_of(TrainConfig, "opt")
    lrs: str | None = setting(
        None,
        "peaks by layer group, as 1e-4,1e-3,1e-2: their proportions are kept",
        shown_default="all the same",
    )
    lr_mult: float | None = setting_of(TrainConfig, "lr_mult")
    weight_decay: float | None = setting_of(TrainConfig, "weight_decay")
    label_smoothing: float = setting_of(TrainConfig, "label_smoothing")
    clip_norm: float | None = setting_of(TrainConfig, "clip_norm")
    accumulate: int = setting_of(TrainConfig, "accumulate")
    start_lr: float = setting(1e-7, "learning rate of the first step", minimum=1e-30)
    end_lr: float = setting(10.0, "learning rate of the last step", minimum=1e-30)
    steps: int = setting(100, "steps of the test, a batch each", minimum=20, maximum=10_000)
    sweep: str = setting("exponential", "how the learning rate rises", choices=SWEEPS)
    rule: str = setting(RULE_NAMES[0], "whose rate to recommend", choices=RULE_NAMES)
    plot: Path = setting(Path("lr-find.png"), "picture to write, a PNG")
    precision: str = setting_of(TrainConfig, "precision")
    seed: int = setting_of(TrainConfig, "seed")
    workers: int | None = setting_of(TrainConfig, "workers")
    loader: str = setting_of(TrainConfig, "loader")
    memory: str = setting_of(TrainConfig, "memory")
    on_error: str = setting_of(TrainConfig, "on_error")
    rounds: int | None = setting_of(TrainConfig, "rounds")
    from_originals: bool = setting_of(TrainConfig, "from_originals")
    shuffle_buffer: int | None = setting_of(TrainConfig, "shuffle_buffer")
    cache: Path | None = setting_of(TrainConfig, "cache")
    cache_size: str = setting_of(TrainConfig, "cache_size")
    device: str = setting_of(TrainConfig, "device")
