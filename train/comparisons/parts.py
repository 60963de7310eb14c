"""How far a comparison is: so many parts of so many, which may turn out to be fewer."""

from __future__ import annotations

from collections.abc import Callable

Hear = Callable[[str, int, int], None]
"""What is being done, and how many of how many parts are done."""


class Parts:
    """Tells `hear` of the parts of some work."""

    def __init__(self, total: int, hear: Hear | None) -> None:
        self.total, self._done = total, 0
        self._hear = hear or (lambda *heard: None)

    def at(self, what: str) -> None:
        """Tell what is being done."""
        self._hear(what, self._done, self.total)

    def end(self) -> None:
        """Count a part."""
        self._done += 1
