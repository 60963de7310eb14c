"""The command line that a config stands for, to be shown and copied."""

from __future__ import annotations

import dataclasses
import shlex
from typing import Any

from augcli.manifests.settings import option_name


def command_line(name: str, config: Any) -> str:
    """`augcli NAME` with the options of `config` that are not the defaults, quoted for a shell."""
    words = ["augcli", name]
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value != field.default:
            words.append(option_name(field.name))
            words += [] if value is True else [str(value)]
    return shlex.join(words)
