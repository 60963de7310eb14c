"""Configuration: one frozen dataclass per command, and each default in one place.

A field made by `setting` carries its help text, choices and bounds, so that the command line can
show them and `check_settings` can enforce them for the Python API as well.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from augcli.manifests.errors import UsageError


def setting(
    default: Any,
    help: str,
    *,
    choices: Sequence[str] | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    below: float | None = None,
    shown_default: str | None = None,
) -> Any:
    """A dataclass field with what the command line and `check_settings` need to know about it.

    `minimum` and `maximum` are inclusive, `below` is an exclusive upper bound. `shown_default`
    is what the help says when the default is worked out later (`None`).
    """
    metadata = {
        "help": help,
        "choices": tuple(choices) if choices is not None else None,
        "minimum": minimum,
        "maximum": maximum,
        "below": below,
        "shown_default": shown_default,
    }
    return dataclasses.field(default=default, metadata=metadata)


def option_name(field_name: str) -> str:
    """`batch_size` -> `--batch-size`."""
    return "--" + field_name.replace("_", "-")


def check_settings(config: Any) -> None:
    """Hold every field of `config` against its choices and bounds.

    Raises:
        UsageError: naming the option, its value and what was expected.
    """
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value is None or not field.metadata:
            continue
        _check_choice(field, value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            _check_bounds(field, value)


def _check_choice(field: dataclasses.Field[Any], value: object) -> None:
    choices = field.metadata["choices"]
    if choices is not None and value not in choices:
        listed = ", ".join(choices)
        raise UsageError(f"{option_name(field.name)}: unknown '{value}': choose from {listed}")


def _check_bounds(field: dataclasses.Field[Any], value: float) -> None:
    name = option_name(field.name)
    minimum, maximum = field.metadata["minimum"], field.metadata["maximum"]
    below = field.metadata["below"]
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{name}: {value} is not a finite number")
    if minimum is not None and value < minimum:
        raise UsageError(f"{name}: {value} is too small: at least {minimum} is needed")
    if maximum is not None and value > maximum:
        raise UsageError(f"{name}: {value} is too large: at most {maximum} is allowed")
    if below is not None and value >= below:
        raise UsageError(f"{name}: {value} is too large: it must be below {below}")
