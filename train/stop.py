"""Stopping politely: the first signal asks, the trainer answers between two steps.

Of several ranks each may hear of it at another time, or only one; so they count who has heard, and
all stop after the same step.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Within `with StopRequest() as stop:` the first SIGINT or SIGTERM only sets `stop.signal`.

    With `agreed` it only adds to `stop.votes`, and `stop.count` of all votes sets the signal.

    A SIGINT after that raises KeyboardInterrupt at once. The handlers of before come back at the
    end. Off the main thread, where Python allows no handlers, nothing happens. A signal that was
    ignored before (as shells do for background jobs) stays ignored.
    """

    def __init__(self, *, agreed: bool = False) -> None:
        self.signal: int | None = None
        """The number of the first signal, or None."""
        self._heard: int | None = None
        self._agreed = agreed
        self._before: dict[signal.Signals, Any] = {}

    @property
    def votes(self) -> list[float]:
        """1 for the signal that this process has heard, for each of `SIGNALS`."""
        return [float(self._heard == number) for number in SIGNALS]

    def count(self, votes: Sequence[float]) -> None:
        """Take over what was heard anywhere: the votes of all ranks, added up."""
        if self.signal is None:
            heard = (number for number, count in zip(SIGNALS, votes, strict=True) if count)
            self.signal = next(heard, None)

    def __enter__(self) -> StopRequest:
        self.listen()
        return self

    def listen(self) -> None:
        """What entering does, for those who must begin to listen later than they can tell when to
        end."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                before = signal.getsignal(number)
                # None: a handler that wasn't set from Python and so couldn't be put back.
                if before is not None and before != signal.SIG_IGN:
                    self._before[number] = before
                    signal.signal(number, self._handle)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._heard is None:
            self._heard = number
            if not self._agreed:
                self.signal = number
        elif number == signal.SIGINT:
            raise KeyboardInterrupt
