"""Stopping politely: the first signal asks, the trainer answers between two steps."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from augcli.manifests.errors import AugcliError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(AugcliError):  # noqa: N818 - it says what happened, as KeyboardInterrupt does
    """A signal stopped the work, which was saved; exits with 128 + the signal's number."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
        """130 for SIGINT, 143 for SIGTERM, as shells report them."""


class StopRequest:
    """Within `with StopRequest() as stop:` the first SIGINT or SIGTERM only sets `stop.signal`.

    A SIGINT after that raises KeyboardInterrupt at once. The handlers of before come back at the
    end. Off the main thread, where Python allows no handlers, nothing happens. A signal that was
    ignored before (as shells do for background jobs) stays ignored.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        """The number of the first signal, or None."""
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                before = signal.getsignal(number)
                # None: a handler that wasn't set from Python and so couldn't be put back.
                if before is not None and before != signal.SIG_IGN:
                    self._before[number] = before
                    signal.signal(number, self._handle)
        return self

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
        if self.signal is None:
            self.signal = number
        elif number == signal.SIGINT:
            raise KeyboardInterrupt
