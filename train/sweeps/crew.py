"""Trainings side by side: a process for each place, with its share of the cores or a GPU.

Processes are fresh ones, as CUDA wants; they import everything once and take one training after
another. This process alone hears Ctrl-C, decides what is trained, and writes the ledger.
"""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any

import torch

from augcli.augment.engines import default_workers, end_with
from augcli.train.config import TrainConfig
from augcli.train.memory import allowed_bytes
from augcli.train.record import Row
from augcli.train.stop import Interrupted, StopRequest
from augcli.train.sweeps.course import Course
from augcli.train.sweeps.trial import FAILED, Outcome, Trial, run_trial

CORES_PER_JOB = 4
"""By default a training has so many cores: more do little for the networks that CPUs train."""
PATIENCE_SECONDS = 0.2
"""How long a signal may go unnoticed."""
LAST_SECONDS = 5.0
"""What processes without work get to end by themselves."""

_context = multiprocessing.get_context("spawn")


def default_jobs(device: str) -> int:
    """Trainings at a time: one for each GPU, or else for every few cores."""
    return _gpus(device) or max(1, default_workers() // CORES_PER_JOB)


def shares(device: str, jobs: int) -> str:
    """What each of `jobs` trainings has, in a few words."""
    threads = _threads(jobs)
    per_gpu = -(-jobs // max(1, _gpus(device)))
    gpu = "" if not _gpus(device) else (", a GPU" if per_gpu == 1 else f", 1/{per_gpu} of a GPU")
    return f"{threads} {'thread' if threads == 1 else 'threads'}{gpu} each"


def train_side_by_side(course: Course, device: str, jobs: int) -> None:
    """All trainings, up to `jobs` at a time.

    Raises:
        Interrupted: SIGINT or SIGTERM came; the trainings at work were saved.
    """
    with StopRequest() as stop, Crew(device, jobs) as crew:
        while True:
            while stop.signal is None and crew.has_room and (trial := course.next()) is not None:
                crew.start(trial)
            if not crew.at_work:
                break
            if stop.signal is not None:
                crew.stop()
            for trial, message in crew.messages():
                if isinstance(message, Outcome):
                    course.end(trial, message)
                elif message is not None:
                    crew.answer(trial, goes_on=course.goes_on(trial, message))
        if stop.signal is not None:
            raise Interrupted("stopped", stop.signal)


class Crew:
    """Processes that train; within `with` they are there, and end at its end."""

    def __init__(self, device: str, jobs: int) -> None:
        self._jobs = jobs
        self._gpus = _gpu_names() if _gpus(device) else []
        self._places: list[_Place | None] = [None] * jobs
        self._stopping = False

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for place in filter(None, self._places):
            place.close(at_once=kind is not None)

    @property
    def has_room(self) -> bool:
        """Whether another training can be started."""
        return any(place is None or place.trial is None for place in self._places)

    @property
    def at_work(self) -> bool:
        """Whether any training is."""
        return any(True for _ in self._busy())

    def start(self, trial: Trial) -> None:
        """Have a free process train."""
        number = next(n for n, p in enumerate(self._places) if p is None or p.trial is None)
        place = self._places[number]
        if place is None:
            gpu = self._gpus[number % len(self._gpus)] if self._gpus else None
            place = self._places[number] = _Place.made(_threads(self._jobs), gpu)
        place.trial = trial
        place.pipe.send(_with_share(trial.config, self._jobs))

    def messages(self) -> Iterator[tuple[Trial, Row | Outcome | None]]:
        """An epoch, or the outcome, of each training that has news; None: it was interrupted."""
        by_pipe = {place.pipe: place for place in self._busy()}
        for pipe in wait(list(by_pipe), PATIENCE_SECONDS):
            place = by_pipe[pipe]  # type: ignore[index]
            trial = place.trial
            assert trial is not None
            message = self._received(place)
            if not isinstance(message, Row):
                place.trial = None
            yield trial, message

    def answer(self, trial: Trial, *, goes_on: bool) -> None:
        """Tell a training, which waits for it, whether to go on."""
        place = next(place for place in self._busy() if place.trial is trial)
        place.send(goes_on)

    def stop(self) -> None:
        """Have all save and stop."""
        if not self._stopping:
            self._stopping = True
            for place in self._busy():
                place.process.terminate()

    def _busy(self) -> Iterator[_Place]:
        return (place for place in self._places if place is not None and place.trial is not None)

    def _received(self, place: _Place) -> Row | Outcome | None:
        try:
            message: Row | Outcome | None = place.pipe.recv()
        except (EOFError, OSError):
            self._places[self._places.index(place)] = None
            place.process.join()
            if self._stopping:
                return None
            return Outcome(FAILED, f"its process ended ({_how_ended(place.process.exitcode)})")
        return message


@dataclass
class _Place:
    """A process, the pipe to it, and what it trains."""

    process: Any
    pipe: Connection
    trial: Trial | None = None

    @classmethod
    def made(cls, threads: int, gpu: str | None) -> _Place:
        ours, theirs = _context.Pipe()
        process = _context.Process(target=_serve, args=(theirs, threads, gpu, os.getpid()))
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # from its first instant on
        try:
            process.start()
        finally:
            signal.signal(signal.SIGINT, before)
        theirs.close()
        return cls(process, ours)

    def send(self, message: object) -> None:
        """What it can't hear any more, because it was killed, is noticed when it is listened to."""
        with contextlib.suppress(OSError):
            self.pipe.send(message)

    def close(self, *, at_once: bool) -> None:
        if at_once:
            self.process.kill()
        self.send(None)
        self.pipe.close()
        self.process.join(LAST_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


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
        except Interrupted:
            pipe.send(None)


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


def _with_share(config: TrainConfig, jobs: int) -> TrainConfig:
    """`config` with a share of the cores to load with and of the memory for images."""
    workers = _threads(jobs) if config.workers is None else config.workers
    memory = config.memory
    if memory == "auto":
        memory = str(allowed_bytes(memory, jobs))
    return dataclasses.replace(config, workers=workers, memory=memory)


def _threads(jobs: int) -> int:
    return max(1, default_workers() // jobs)


def _gpus(device: str) -> int:
    return 0 if device == "cpu" else torch.cuda.device_count()


def _gpu_names() -> list[str]:
    """As CUDA_VISIBLE_DEVICES names them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    return named.split(",") if named else [str(n) for n in range(torch.cuda.device_count())]
