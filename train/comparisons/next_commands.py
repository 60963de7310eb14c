"""The commands that do what a verdict says, with the options of the benchmark."""

from __future__ import annotations

from typing import Any

from augcli.augment.config import ExpandConfig
from augcli.train.command import command_line
from augcli.train.comparisons.analysis import Analysis, ArmResult
from augcli.train.comparisons.config import SHARED_OPTIONS
from augcli.train.comparisons.measurements import SHARDS, Measurements
from augcli.train.config import NONE as NO_CHOICE
from augcli.train.config import TrainConfig


def next_commands(measurements: Measurements, analysis: Analysis, arm: str) -> list[str]:
    """To make what `arm` reads, and to train from it."""
    row = analysis.of(arm)
    views = _options(measurements, ("data", "size"))
    views["policy"] = measurements.config.get("policy") or row.arm.policy
    training = _training(measurements, row)
    if row.arm.source != SHARDS and views.get("data") is not None:
        return [command_line("train", TrainConfig(**views, **training))]
    codec = _options(measurements, ("codec",))  # the embedded data are trained from expanded only
    expand = ExpandConfig(**views, **codec, copies=row.arm.copies or 0)
    return [command_line("expand", expand), command_line("train", TrainConfig(**training))]


def _training(measurements: Measurements, row: ArmResult) -> dict[str, Any]:
    options = _options(measurements, SHARED_OPTIONS)
    if measurements.config.get("lr") is not None:
        options["lr"] = row.lrs[0]
    residual = row.arm.residual or NO_CHOICE
    return {**options, "source": row.arm.source, "residual": residual, "sizes": NO_CHOICE}


def _options(measurements: Measurements, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: measurements.config[name] for name in names if name in measurements.config}
