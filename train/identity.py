"""What decides a training run, as plain values, and how two of them differ.

A resumed run must be the run that was interrupted; this is what is compared to say so.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
import torchvision

from augcli.manifests.settings import option_name
from augcli.train.batch import Sources
from augcli.train.config import TrainConfig

FREE_ON_RESUME = (
    *("workers", "loader", "memory", "on_error", "device", "precision", "compile", "out", "resume"),
    *("shards", "data", "cache", "cache_size"),
)
"""Fields of the config that may change between an interruption and going on. What the two paths
lead to is compared by the hashes in the source's description."""


def plain_config(config: TrainConfig) -> dict[str, Any]:
    """`config` as values that YAML, JSON and checkpoints hold: paths as strings."""
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in dataclasses.asdict(config).items()
    }


def split_samples(sources: Sources) -> dict[str, int | None]:
    """Samples per split; None for a split that isn't there."""
    return {
        "train": sources.train.samples,
        "validation": sources.validation.samples if sources.validation else None,
        "test": sources.test.samples if sources.test else None,
    }


def identity(
    config: TrainConfig,
    sources: Sources,
    description: dict[str, object],
    ranks: int = 1,
    precision: torch.dtype | None = None,
) -> dict[str, Any]:
    """Everything that decides the numbers of a run on one kind of device.

    The number of ranks does: batch norm sees a rank's share, and each rank draws for itself.

    Raises:
        TypeError, ValueError: `description` holds something that JSON doesn't.
    """
    decided = {
        "config": {
            name: value
            for name, value in plain_config(config).items()
            if name not in FREE_ON_RESUME
        },
        "source": description,
        "classes": list(sources.classes),
        "size": list(sources.size),
        "samples": split_samples(sources),
        "ranks": ranks,
        "precision": str(precision or torch.float32).removeprefix("torch."),
        "versions": {"torch": torch.__version__, "torchvision": torchvision.__version__},
    }
    # Through JSON, so that tuples and lists, or 1 and "1" as keys, don't differ after a reload.
    plain: dict[str, Any] = json.loads(json.dumps(decided, allow_nan=False))
    return plain


def differences(
    before: dict[str, Any], now: dict[str, Any], was: str = "was", is_now: str = "is now"
) -> list[str]:
    """One line for each value that is not the same in two identities; empty if all are."""
    flat_before, flat_now = _flat(before), _flat(now)
    names = [*flat_before, *(name for name in flat_now if name not in flat_before)]
    return [
        f"{_shown_name(name)}: {was} {_shown(flat_before, name)}, {is_now} {_shown(flat_now, name)}"
        for name in names
        if name not in flat_before or name not in flat_now or flat_before[name] != flat_now[name]
    ]


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested dicts as one dict with dotted names; lists stay values."""
    if not isinstance(value, dict):
        return {prefix: value}
    flat: dict[str, Any] = {}
    for name, inner in value.items():
        flat.update(_flat(inner, f"{prefix}.{name}" if prefix else str(name)))
    return flat


def _shown_name(name: str) -> str:
    return option_name(name.removeprefix("config.")) if name.startswith("config.") else name


def _shown(flat: dict[str, Any], name: str) -> str:
    return json.dumps(flat[name], ensure_ascii=False, default=repr) if name in flat else "absent"
