"""What an evaluation or a landscape is asked to do: the options, and their only defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from augcli.manifests.settings import setting, setting_of
from augcli.train.config import TrainConfig

SPLITS = {"test": "test", "validation": "val", "all": "all"}
"""As users name them -> as records do; `all`: every image."""

_SHARDS_HELP = "expanded dataset to read instead of the run's own"
_DATA_HELP = "reference dataset to read instead, with the same classes"
_BATCH_HELP = "images that the model sees at once"


@dataclass(frozen=True)
class EvaluateConfig:
    """Options of `augcli evaluate`."""

    split: str | None = setting(
        None,
        "which images; all is for --data that the run has not seen",
        choices=tuple(SPLITS),
        shown_default="test, or validation where there is no test split",
    )
    tta: str | None = setting(
        None,
        "test-time augmentation, with and without: so many views by the run's policy, ten-crop, "
        "or flip",
        shown_default="none",
    )
    corruptions: str | None = setting(
        None,
        "accuracy under the standard corruptions: all, or noise,blur,weather,digital or single "
        "ones, as snow,jpeg",
        shown_default="none",
    )
    shards: str | None = setting(None, _SHARDS_HELP)
    data: str | None = setting(None, _DATA_HELP)
    batch_size: int = setting(64, _BATCH_HELP, minimum=1)
    workers: int | None = setting(
        None, "loader threads; 0: none", minimum=0, shown_default="one per core"
    )
    device: str = setting_of(TrainConfig, "device")
    out: Path | None = setting(
        None, "folder of the results", shown_default="evaluation-SPLIT in the run's folder"
    )


@dataclass(frozen=True)
class LandscapeConfig:
    """Options of `augcli landscape`."""

    points: int = setting(
        6,
        "points from the minimum to each end of the plane; a line has twice as many",
        minimum=1,
        maximum=100,
    )
    span: float = setting(
        1.0, "how far to go from the minimum, in norms of each filter", minimum=0.001
    )
    samples: int = setting(
        256, "images of each split to measure the loss on", minimum=1, maximum=10_000
    )
    seed: int = setting(
        0, "seed of the directions and of the choice of images", minimum=0, below=2**63
    )
    plane: bool = setting(True, "the plane of two directions, beside the line of one")
    shards: str | None = setting(None, _SHARDS_HELP)
    data: str | None = setting(None, _DATA_HELP)
    batch_size: int = setting(64, _BATCH_HELP, minimum=1)
    device: str = setting_of(TrainConfig, "device")
    out: Path | None = setting(
        None, "folder of the results", shown_default="landscape in the first run's folder"
    )
