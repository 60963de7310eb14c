"""A flag for threads that may be told to end by a finalizer, where no lock may be waited for."""

from __future__ import annotations

import time

_LOOK_SECONDS = 0.05


class Stopped(Exception):  # noqa: N818, nothing went wrong
    """Nobody wants the result any more."""


class Stop:
    """Not set, until it is set for good."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Tell whoever looks to end. Takes no lock, unlike `threading.Event`."""
        self._is_set = True

    def is_set(self) -> bool:
        """Whether it was set."""
        return self._is_set

    def check(self) -> None:
        """Go on only if it isn't set.

        Raises:
            Stopped: it is.
        """
        if self._is_set:
            raise Stopped

    def sleep(self, seconds: float) -> None:
        """Do nothing for so many seconds.

        Raises:
            Stopped: it was set meanwhile.
        """
        end = time.monotonic() + seconds
        self.check()
        while (rest := end - time.monotonic()) > 0:
            time.sleep(min(rest, _LOOK_SECONDS))
            self.check()
