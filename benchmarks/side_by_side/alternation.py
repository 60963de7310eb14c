"""Peers that take turns, so that what the machine does meanwhile meets all of them alike."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from side_by_side.processes import PeerError

Run = TypeVar("Run")
Done = TypeVar("Done")


class Alternation(ABC, Generic[Run]):
    """The runs of each peer as they come in. Who fails is left out, with the reason."""

    def __init__(self, names: Sequence[str]) -> None:
        self.runs: dict[str, list[Run]] = {name: [] for name in names}
        self.left_out: dict[str, str] = {}

    @abstractmethod
    def run(self, name: str) -> Run:
        """One timed run of a peer.

        Raises:
            PeerError: it failed, or did other work than was asked for.
        """

    @abstractmethod
    def about(self, run: Run) -> str:
        """A run in a few words."""

    def round(self, number: int, rounds: int) -> None:
        """One timed run of each peer; each round starts with another one."""
        names = list(self.runs)
        start = number % max(1, len(names))
        for name in names[start:] + names[:start]:
            run = self.attempt(name, lambda name=name: self.run(name))  # type: ignore[misc]
            if run is not None:
                self.runs[name].append(run)
                say(f"round {number + 1}/{rounds}: {name}: {self.about(run)}")

    def attempt(self, name: str, action: Callable[[], Done]) -> Done | None:
        """What the action gives; None where it fails, and the peer is left out from now on."""
        try:
            return action()
        except PeerError as error:
            self.leave_out(name, str(error))
            return None

    def leave_out(self, name: str, why: str) -> None:
        """No more runs of this peer, and no row in the report."""
        self.left_out[name] = why
        self.runs.pop(name, None)
        say(f"left out: {name}: {why}")


def say(line: str) -> None:
    """A line of progress."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)
