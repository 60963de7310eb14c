"""Trainings side by side: a process for each, with its share of the cores or a GPU.

Processes are fresh ones, as CUDA wants; they import everything once and take one training after
another. This process alone hears Ctrl-C, decides what is trained, and writes the ledger.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from multiprocessing.connection import wait
from types import TracebackType

import torch

from augcli.augment.engines import default_workers
from augcli.manifests.errors import Interrupted
from augcli.train.config import TrainConfig
from augcli.train.memory import allowed_bytes
from augcli.train.record import Row
from augcli.train.stop import StopRequest
from augcli.train.sweeps.course import Course
from augcli.train.sweeps.trial import FAILED, Outcome, Trial
from augcli.train.sweeps.worker import Worker

CORES_PER_JOB = 4
"""By default a training has so many cores: more do little for the networks that CPUs train."""
PATIENCE_SECONDS = 0.2
"""How long a signal may go unnoticed."""


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
            for worker, trial, message in crew.messages():
                if isinstance(message, Row):
                    worker.answer(goes_on=course.goes_on(trial, message))
                elif stop.signal is None or message.state != FAILED:
                    course.end(trial, message)
        if stop.signal is not None:
            raise Interrupted("stopped", stop.signal)


class Crew:
    """Processes that train; within `with` they are there, and end at its end."""

    def __init__(self, device: str, jobs: int) -> None:
        self._jobs = jobs
        self._gpus = _gpu_names() if _gpus(device) else []
        self._workers: list[Worker | None] = [None] * jobs
        self._stopping = False

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for worker in filter(None, self._workers):
            worker.close(at_once=kind is not None)

    @property
    def has_room(self) -> bool:
        """Whether another training can be started."""
        return len(self._busy) < self._jobs

    @property
    def at_work(self) -> bool:
        """Whether any training is."""
        return bool(self._busy)

    def start(self, trial: Trial) -> None:
        """Have a free process train."""
        number = next(n for n, w in enumerate(self._workers) if w is None or w.trial is None)
        worker = self._workers[number]
        if worker is None:
            gpu = self._gpus[number % len(self._gpus)] if self._gpus else None
            worker = self._workers[number] = Worker(_threads(self._jobs), gpu)
        worker.train(trial, _with_share(trial.config, self._jobs))

    def messages(self) -> Iterator[tuple[Worker, Trial, Row | Outcome]]:
        """An epoch, or the outcome, of each training that has news; it has failed if it stopped."""
        busy = self._busy
        ready = wait([worker.pipe for worker in busy], PATIENCE_SECONDS)
        for worker in (worker for worker in busy if worker.pipe in ready):
            trial, message = worker.trial, worker.received()
            assert trial is not None
            if not isinstance(message, Row):
                worker.trial = None
            if worker.is_lost:
                self._workers[self._workers.index(worker)] = None
            yield worker, trial, message

    def stop(self) -> None:
        """Have all save and stop."""
        if not self._stopping:
            self._stopping = True
            for worker in self._busy:
                worker.stop()

    @property
    def _busy(self) -> list[Worker]:
        return [worker for worker in self._workers if worker is not None and worker.trial]


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
