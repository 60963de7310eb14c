"""A command line shown to be copied does what the config says."""

from __future__ import annotations

import shlex
from pathlib import Path

import click
import pytest

from augcli.augment.config import ExpandConfig
from augcli.cli import train as train_command
from augcli.train.command import command_line
from augcli.train.comparisons.config import AblateConfig, BenchmarkConfig
from augcli.train.config import TrainConfig
from augcli.train.recipes.config import RecipeConfig
from augcli.train.world import World


def test_only_what_is_not_the_default_is_said() -> None:
    assert command_line("benchmark", BenchmarkConfig()) == "augcli benchmark"
    assert command_line("train", TrainConfig(lr=0.1, resume=True)) == (
        "augcli train --lr 0.1 --resume"
    )


def test_switches_and_lists() -> None:
    assert command_line("ablate", AblateConfig(alone=False)) == "augcli ablate --no-alone"
    assert command_line("recipe", RecipeConfig(freeze_bn=False)) == "augcli recipe --no-freeze-bn"
    policies = ("a=none", "b b=basic")
    assert command_line("expand", ExpandConfig(class_policy=policies)) == (
        "augcli expand --class-policy a=none --class-policy 'b b=basic'"
    )


def test_torchrun_comes_before_it() -> None:
    config = TrainConfig(resume=True)
    assert command_line("train", config, World(1, 4, 1, 4)) == (
        "torchrun --nproc-per-node 4 --no-python augcli train --resume"
    )
    assert command_line("train", config, World(1, 4, 1, 2)) == (
        "torchrun --nnodes 2 --nproc-per-node 2 --no-python augcli train --resume"
    )


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(),
        TrainConfig(data="my 'own' photos", source="none", out=Path("a b/[x]"), resume=True),
        TrainConfig(lr=1e-9, weight_decay=0.0, seed=2**62, workers=0, size=32, epochs=1),
    ],
)
def test_the_command_line_reads_as_the_config(config: TrainConfig) -> None:
    words = shlex.split(command_line("train", config))[2:]
    with click.Context(train_command) as context:
        train_command.parse_args(context, words)
        values = {name: context.params[name] for name in vars(config)}
    assert TrainConfig(**values) == config
