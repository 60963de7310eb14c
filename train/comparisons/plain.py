"""Frozen dataclasses as plain JSON and back: exactly, whatever their fields are made of."""

from __future__ import annotations

import base64
import dataclasses
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

RecordT = TypeVar("RecordT")


def to_plain(value: Any) -> Any:
    """`value` in what JSON holds: dataclasses as objects, tuples as lists, bytes as base64.

    Paths become texts, and stay such.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: to_plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): to_plain(item) for name, item in value.items()}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return str(value) if isinstance(value, Path) else value


def from_plain(kind: type[RecordT], content: Any) -> RecordT:
    """The dataclass `kind` that `to_plain` made `content` of; fields that it lacks are ignored.

    Raises:
        ValueError: a field is missing, or of another type than its annotation says.
    """
    if not isinstance(content, dict):
        raise ValueError(f"{kind.__name__}: expected an object, not {content!r:.40}")
    annotations = typing.get_type_hints(kind)
    values = {}
    for field in dataclasses.fields(kind):  # type: ignore[arg-type]
        if field.name in content:
            where = f"{kind.__name__}.{field.name}"
            values[field.name] = _read(annotations[field.name], content[field.name], where)
        elif field.default is dataclasses.MISSING:
            raise ValueError(f"{kind.__name__}.{field.name} is missing")
    return kind(**values)


def _read(kind: Any, content: Any, where: str) -> Any:
    if isinstance(kind, types.UnionType):
        if content is None:
            return None
        kind = next(part for part in typing.get_args(kind) if part is not type(None))
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return from_plain(kind, content)
    if typing.get_origin(kind) is tuple:
        if not isinstance(content, list):
            raise ValueError(f"{where}: expected a list, not {content!r:.40}")
        return tuple(_read(typing.get_args(kind)[0], item, where) for item in content)
    return _read_value(typing.get_origin(kind) or kind, content, where)


def _read_value(kind: type, content: Any, where: str) -> Any:
    if kind is bytes and isinstance(content, str):
        return base64.b64decode(content, validate=True)
    if kind is float and type(content) is int:
        return float(content)
    if type(content) is not kind:
        raise ValueError(f"{where}: expected {kind.__name__}, not {content!r:.40}")
    return content
