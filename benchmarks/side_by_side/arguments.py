"""What the command lines have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path


def add_shared(
    parser: argparse.ArgumentParser, data: str = "folder per class; train/ in it, if it is there"
) -> None:
    """The options that every comparison has; `data` says what is in the folder."""
    add = parser.add_argument
    add("--data", type=Path, required=True, help=data)
    add("--timeout", type=float, default=3600.0, help="seconds after which a run is ended")
    add("--tmp", type=Path, help="where the temporary folder is made")
    add("--json", type=Path, help="file for all results")


def count(text: str) -> int:
    """A whole number from 1 on."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return value


def names_of(known: Iterable[str], always: Iterable[str] = ()) -> Callable[[str], list[str]]:
    """Names with commas between them, of `known` and in its order; `always` are among them."""
    choices, fixed = list(known), set(always)

    def parse(text: str) -> list[str]:
        names = set(text.split(","))
        unknown = sorted(names - set(choices))
        if unknown:
            raise argparse.ArgumentTypeError(
                f"{', '.join(unknown)}: choose from {', '.join(choices)}"
            )
        return [name for name in choices if name in names | fixed]

    return parse
