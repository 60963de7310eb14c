"""JSON and YAML that anyone may have written: within bounds, and only if it says one thing."""

from __future__ import annotations

import json
import math
import stat
from collections import Counter
from pathlib import Path
from typing import Any

MAX_BYTES = 1 << 28
"""Of one file. A manifest of 10^8 views has a tenth of it."""


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        OSError: it can't be read.
        ValueError: it is no regular file, too large, or what `parse_json` refuses.
    """
    return parse_json(read_within(path, MAX_BYTES))


def read_within(path: Path, most_bytes: int) -> bytes:
    """The bytes of a regular file that has at most so many.

    Raises:
        OSError: it can't be read.
        ValueError: it is another kind of file, or larger; nothing of it was read.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("not a regular file")
    if found.st_size > most_bytes:
        raise ValueError(f"{found.st_size} bytes are over the limit of {most_bytes}")
    return path.read_bytes()


def parse_json(text: bytes | str, *, finite: bool = True) -> Any:
    """What a JSON text says.

    Raises:
        ValueError: it is no JSON, nested too deep, has a number with thousands of digits, one that
            is not `finite`, or an object with the same key twice, of which readers would take one
            or the other.
    """
    number = _finite if finite else float
    try:
        return json.loads(
            text, parse_constant=number, parse_float=number, object_pairs_hook=_each_key_once
        )
    except RecursionError:
        raise ValueError("nested too deep") from None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text:.50} is not a finite number")
    return number


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        times = Counter(key for key, _ in pairs)
        twice = next(key for key, count in times.items() if count > 1)
        raise ValueError(f"the key {twice!r:.200} comes twice")
    return found


def parse_yaml(text: str) -> Any:
    """What a YAML text says, in plain values: `yaml.safe_load` for texts of strangers.

    Raises:
        ValueError: it is no YAML, nested too deep, has the same key twice, or has aliases, by
            which a few lines can grow without bound.
    """
    import yaml

    class Strict(yaml.SafeLoader):
        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                event = self.peek_event()  # type: ignore[no-untyped-call]
                raise ValueError(f"line {event.start_mark.line + 1}: no aliases here")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            if twice := next((key for key, count in Counter(keys).items() if count > 1), None):
                line = node.start_mark.line + 1
                raise ValueError(f"line {line}: the key {twice!r:.200} comes twice")
            return super().construct_mapping(node, deep)

    try:
        return yaml.load(text, Loader=Strict)
    except RecursionError:
        raise ValueError("nested too deep") from None
    except (yaml.YAMLError, TypeError) as error:  # TypeError: a key that is a list
        raise ValueError(str(error)) from error
