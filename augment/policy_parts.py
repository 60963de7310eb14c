"""A policy with some of its transforms: what is left when one is taken out, or one alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import yaml


def part_names(serialized: Mapping[str, Any]) -> tuple[str, ...]:
    """A name for each transform of a policy, in order: its class, numbered where it comes again.

    A composition is one of them, whatever is in it.
    """
    nodes = serialized["transform"]["transforms"]
    names = [str(node["__class_fullname__"]).rpartition(".")[2] for node in nodes]
    often, seen = Counter(names), Counter[str]()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if often[name] == 1 else f"{name} {seen[name]}")
    return tuple(unique)


def with_parts(serialized: Mapping[str, Any], kept: Sequence[str]) -> dict[str, Any]:
    """The policy with only the transforms that `kept` names, as they are and in their order."""
    transform = serialized["transform"]
    nodes = zip(part_names(serialized), transform["transforms"], strict=True)
    left = [node for name, node in nodes if name in kept]
    return {**serialized, "transform": {**transform, "transforms": left}}


def policy_file_text(serialized: Mapping[str, Any]) -> str:
    """The text of a YAML file that `--policy` reads."""
    return yaml.safe_dump(dict(serialized), sort_keys=False)
