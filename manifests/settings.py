"""Configuration: one frozen dataclass per command, and each default in one place.

A field made by `setting` carries its help text, choices and bounds, so that the command line can
show them and `check_settings` can enforce them for the Python API as well.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from augcli.manifests.errors import UsageError
from augcli.manifests.inputs import is_utf8, shown

ConfigT = TypeVar("ConfigT")


def setting(
    default: Any,
    help: str,
    *,
    choices: Sequence[str] | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    below: float | None = None,
    shown_default: str | None = None,
    flag_value: str | None = None,
) -> Any:
    """A dataclass field with what the command line and `check_settings` need to know about it.

    `minimum` and `maximum` are inclusive, `below` is an exclusive upper bound. `shown_default`
    is what the help says when the default is worked out later (`None`), `flag_value` what the
    option means when it is given without a value.
    """
    metadata = {
        "help": help,
        "choices": tuple(choices) if choices is not None else None,
        "minimum": minimum,
        "maximum": maximum,
        "below": below,
        "shown_default": shown_default,
        "flag_value": flag_value,
    }
    return dataclasses.field(default=default, metadata=metadata)


def setting_of(config: type, name: str) -> Any:
    """A field that is the same as the field `name` of another config: default, help and bounds."""
    same = next(field for field in dataclasses.fields(config) if field.name == name)
    return dataclasses.field(default=same.default, metadata=same.metadata)


def option_name(field_name: str) -> str:
    """`batch_size` -> `--batch-size`."""
    return "--" + field_name.replace("_", "-")


def check_settings(config: ConfigT) -> ConfigT:
    """`config` with each field in its own type, held against its choices and bounds.

    A string is taken for a path and a path for a string, a whole number for a float; nothing
    else is converted, so that "2" is no number and True no count. Texts and paths must be UTF-8:
    they go into records.

    Raises:
        UsageError: naming the option, its value and what was expected.
    """
    types_of = typing.get_type_hints(type(config))
    fields = dataclasses.fields(config)  # type: ignore[arg-type]
    values = {field.name: _typed(field, types_of[field.name], config) for field in fields}
    for field in fields:
        if values[field.name] is not None and field.metadata:
            _check_choice(field, values[field.name])
            _check_bounds(field, values[field.name])
    checked: ConfigT = dataclasses.replace(config, **values)  # type: ignore[type-var]
    return checked


def _typed(field: dataclasses.Field[Any], annotation: Any, config: object) -> Any:
    """The field's value in a type that its annotation names: the first that takes it."""
    name, value = option_name(field.name), getattr(config, field.name)
    if annotation == tuple[str, ...]:
        return _texts(name, value)
    kinds = typing.get_args(annotation) or (annotation,)
    if value is None and type(None) in kinds:
        return None
    conversions = [_CONVERSIONS[kind] for kind in kinds if kind is not type(None)]
    expected = " or ".join(expected for expected, _ in conversions)
    tried = (convert(value) for _, convert in conversions)
    converted = next((result for result in tried if result is not None), None)
    if converted is None:
        raise UsageError(f"{name}: {value!r} is of the wrong type: expected {expected}")
    if isinstance(value, str) and not value.strip():
        raise UsageError(f"{name}: is empty (an unset variable?): give {expected} or leave it out")
    if not is_utf8(str(converted)):
        raise UsageError(f"{name}: {shown(str(converted))}: the name is not UTF-8: rename it")
    return converted


def _texts(name: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise UsageError(f"{name}: {value!r} is of the wrong type: expected a list of texts")
    return tuple(value)


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, str | Path) else None


def _path(value: object) -> Path | None:
    return Path(value) if isinstance(value, str | Path) else None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _whole(value: object) -> int | None:
    """NumPy's integers register as Integral too."""
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return int(value) if is_whole else None  # type: ignore[call-overload]


def _number(value: object) -> float | None:
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    try:
        return float(value) if is_number else None  # type: ignore[arg-type]
    except OverflowError:
        return math.inf


_CONVERSIONS: dict[Any, tuple[str, Callable[[object], Any]]] = {
    str: ("a text", _text),
    Path: ("a path", _path),
    bool: ("True or False", _flag),
    int: ("a whole number", _whole),
    float: ("a number", _number),
}


def _check_choice(field: dataclasses.Field[Any], value: object) -> None:
    """Texts are held against the choices; a field may take numbers beside them."""
    choices = field.metadata["choices"]
    if choices is not None and isinstance(value, str) and value not in choices:
        numbers_too = field.metadata["minimum"] is not None
        listed = ", ".join(choices) + (" or a number" if numbers_too else "")
        raise UsageError(f"{option_name(field.name)}: unknown '{value}': choose from {listed}")


def _check_bounds(field: dataclasses.Field[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
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
