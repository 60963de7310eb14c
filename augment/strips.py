"""A policy taken apart: each of its transforms alone, so that one sees what it is made of.

Alone and with probability 1: what a policy does to one image in fifty can be judged too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from augcli.augment.captions import caption, captions
from augcli.augment.decode import Pixels
from augcli.augment.panels import UNCHANGED, Row, Tile
from augcli.augment.policy import Policy
from augcli.augment.policy_file import COMPOSITIONS
from augcli.manifests.hashing import view_seed

_TRIES = 3  # times as many draws as are wanted: flips have one result, the dihedral group eight

_ABOUT = {
    "Compose": "its {n} in order",
    "OneOf": "one of its {n}",
    "OneOrOther": "the first, or else the second",
    "RandomOrder": "its {n} in any order",
    "Sequential": "its {n} in order",
    "SomeOf": "some of its {n}",
}


@dataclass(frozen=True)
class Step:
    """A transform or composition of a policy.

    `depth` is how many compositions hold it, `serialized` a policy of nothing else.
    """

    label: str
    note: str
    depth: int
    serialized: Mapping[str, Any]


def steps_of(serialized: Mapping[str, Any]) -> tuple[Step, ...]:
    """The steps of a policy in serialised form, in order; a composition comes before its own."""
    return tuple(_steps(serialized["transform"]["transforms"], 0))


def _steps(nodes: list[dict[str, Any]], depth: int) -> Iterator[Step]:
    for node in nodes:
        name = node["__class_fullname__"].rpartition(".")[2]
        inner = node["transforms"] if name in COMPOSITIONS else []
        note = f"p {node.get('p', 1.0):g}"
        if inner:
            note = f"{note}: {_ABOUT[name].format(n=len(inner))}"
        yield Step(name, note, depth, _alone(node, name))
        yield from _steps(inner, depth + 1)


def _alone(node: Mapping[str, Any], name: str) -> dict[str, Any]:
    # The p of a OneOrOther chooses between the two: with 1 the other would never be seen.
    surely = dict(node) if name == "OneOrOther" else {**node, "p": 1.0}
    return {"transform": {"__class_fullname__": "Compose", "p": 1.0, "transforms": [surely]}}


def strip_rows(
    serialized: Mapping[str, Any], fitted: Pixels, key: str, seed: int, draws: int
) -> list[Row]:
    """A row for each step of the policy: up to `draws` different results of it alone.

    `fitted` is uint8 RGB (height, width, 3); `key` and `seed` decide the draws, which are other
    ones than those of the views, and others for each step.
    """
    return [
        Row(step.label, step.note, _tiles(step, place, fitted, key, seed, draws), step.depth)
        for place, step in enumerate(steps_of(serialized))
    ]


def _tiles(
    step: Step, place: int, fitted: Pixels, key: str, seed: int, draws: int
) -> tuple[Tile, ...]:
    policy = Policy(step.serialized)
    before = fitted.tobytes()
    seen: dict[bytes, Tile] = {}
    for draw in range(1, _TRIES * draws + 1):
        step_seed = view_seed(seed, f"step {place} of {key}", draw)  # no key has a space
        pixels, applied = policy(fitted, step_seed)
        content = pixels.tobytes()
        if content not in seen:
            told = _caption(step, applied, fitted.shape[0], unchanged=content == before)
            seen[content] = Tile(pixels, f"draw {len(seen) + 1}", told, tuple(applied))
        if len(seen) == draws:
            break
    return tuple(seen.values())


def _caption(step: Step, applied: list[Any], size: int, unchanged: bool) -> str:
    """A transform's own parameters without its name, which stands before the row."""
    names = [name for name, _ in applied]
    if names == [step.label]:
        told = caption(step.label, applied[0][1], size)
    else:
        told = captions(applied, size)
    return f"{told} ({UNCHANGED})".removeprefix(" ") if unchanged else told
