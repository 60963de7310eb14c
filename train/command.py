"""The command line that a config stands for, to be shown and copied."""

from __future__ import annotations

import dataclasses
import shlex
from typing import Any

from augcli.manifests.settings import option_name
from augcli.train.world import ALONE, World


def command_line(name: str, config: Any, world: World = ALONE) -> str:
    """`augcli NAME` with the options of `config` that are not the defaults, quoted for a shell.

    With `torchrun` before it in a `world` of several ranks; how its machines find each other only
    the user knows.
    """
    words = ["augcli", name]
    if world.ranks > 1:
        machines = world.ranks // world.local_ranks
        several = ["--nnodes", str(machines)] if machines > 1 else []
        per_machine = ["--nproc-per-node", str(world.local_ranks)]
        words = ["torchrun", *several, *per_machine, "--no-python", *words]
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value != field.default:
            words += _words(option_name(field.name), value)
    return shlex.join(words)


def _words(option: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [option if value else f"--no-{option.removeprefix('--')}"]
    if isinstance(value, tuple):
        return [word for each in value for word in (option, str(each))]
    return [option, str(value)]
