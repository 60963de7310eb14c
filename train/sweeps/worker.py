"""A process that trains what it is told, one training after another."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection

import torch

from augcli.augment.engines import end_with
from augcli.manifests.errors import Interrupted
from augcli.train.config import TrainConfig
from augcli.train.record import Row
from augcli.train.sweeps.trial import FAILED, Outcome, Trial, run_trial

LAST_SECONDS = 5.0
"""What a process without work gets to end by itself."""

_context = multiprocessing.get_context("spawn")


class Worker:
    """The process, which ends with this one, seen from here.

    Attributes:
        trial: what it is at, if anything.
        pipe: where it is heard.
        is_lost: whether it was found to have ended by itself.
    """

    def __init__(self, threads: int, gpu: str | None) -> None:
        """Start it, with so many threads to compute with, and perhaps a GPU of its own."""
        self.trial: Trial | None = None
        self.is_lost = False
        self.pipe, theirs = _context.Pipe()
        self._process = _context.Process(target=_serve, args=(theirs, threads, gpu, os.getpid()))
        with _ignoring_interrupts():  # from its first instant on
            self._process.start()
        theirs.close()

    def train(self, trial: Trial, config: TrainConfig) -> None:
        """Have it train as `config` says."""
        self.trial = trial
        self._send(config)

    def answer(self, *, goes_on: bool) -> None:
        """Tell it, as it waits after an epoch, whether to go on."""
        self._send(goes_on)

    def received(self) -> Row | Outcome:
        """An epoch, or how the training ended; it has failed if a signal stopped it."""
        try:
            message: Row | Outcome = self.pipe.recv()
        except (EOFError, OSError):
            self.is_lost = True
            self._process.join()
            return Outcome(FAILED, f"its process ended ({_how_ended(self._process.exitcode)})")
        return message

    def stop(self) -> None:
        """Have it save and stop."""
        self._process.terminate()

    def close(self, *, at_once: bool) -> None:
        """End it, if need be in the midst of its work."""
        if at_once:
            self._process.kill()
        self._send(None)
        self.pipe.close()
        self._process.join(LAST_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _send(self, message: TrainConfig | bool | None) -> None:
        """If it was killed and can't hear it, that is noticed when it is listened to."""
        with contextlib.suppress(OSError):
            self.pipe.send(message)


@contextlib.contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    """Processes that start meanwhile ignore Ctrl-C; off the main thread Python can't say so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _serve(pipe: Connection, threads: int, gpu: str | None, parent: int) -> None:
    """The life of a process: configs come in, epochs and outcomes go out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(parent)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu  # CUDA reads it when it is first used
    torch.set_num_threads(threads)

    def goes_on(row: Row) -> bool:
        pipe.send(row)
        answer: bool = pipe.recv()
        return answer

    while (config := _received(pipe)) is not None:
        try:
            pipe.send(run_trial(config, goes_on))
        except Interrupted as stopped:
            pipe.send(Outcome(FAILED, str(stopped)))


def _received(pipe: Connection) -> TrainConfig | None:
    """The next training, or None when there are no more."""
    try:
        config: TrainConfig | None = pipe.recv()
    except EOFError:
        return None
    return config


def _how_ended(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        return f"{name}, perhaps for lack of memory: use fewer --jobs" if code == -9 else name
    return f"exit code {code}"
