"""Batches brought to the device that trains: copied to a GPU while it computes on earlier ones."""

from __future__ import annotations

import contextlib
import dataclasses
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

import torch

from augcli.train.batch import Batch, Source

Copy = Callable[[Batch], tuple[Batch, Callable[[], None]]]
"""Begins to copy a batch: the batch there, and what its user calls before it reads it."""

AHEAD = 2
"""Batches that wait on the device."""


@runtime_checkable
class MadeOnDevice(Protocol):
    """A source whose batches are made on a device, by modules that training uses too: so in the
    thread that asks for them.
    """

    @property
    def made_on(self) -> torch.device:
        """The device."""
        ...


def batches_on(
    device: torch.device,
    source: Source,
    epoch: int,
    start: int = 0,
    batch_size: int | None = None,
) -> Iterator[Batch]:
    """The source's batches, with images and labels on `device`."""
    batches = iter(source.batches(epoch, start, batch_size))
    return batches if isinstance(source, MadeOnDevice) else on_device(batches, device)


def on_device(batches: Iterator[Batch], device: torch.device) -> Iterator[Batch]:
    """The same batches, with images and labels on `device`.

    For a GPU, a thread takes them from the source and copies them on a stream of its own, from
    pinned memory where the source has such; on a CPU nothing is done.
    """
    if device.type == "cpu":
        return batches
    return fed(batches, _CudaCopy(device))


def fed(batches: Iterator[Batch], copy: Copy) -> Iterator[Batch]:
    """Batches copied by a thread of their own, `AHEAD` of their use.

    Raises:
        Exception: whatever the source raised, in its place.
    """
    waiting: queue.Queue[tuple[Batch, Callable[[], None]] | Exception | None] = queue.Queue(AHEAD)
    closing = threading.Event()

    def feed() -> None:
        try:
            for batch in batches:
                if not _put(waiting, copy(batch), closing):
                    return
            _put(waiting, None, closing)
        except Exception as error:
            _put(waiting, error, closing)

    thread = threading.Thread(target=feed, name="augcli-feeder", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, Exception):
                raise item
            batch, ready = item
            ready()
            yield batch
    finally:
        closing.set()
        with contextlib.suppress(queue.Empty):
            while True:
                waiting.get_nowait()
        thread.join()


def _put(waiting: queue.Queue, item: object, closing: threading.Event) -> bool:  # type: ignore[type-arg]
    """Whether there was still somebody to put it there for."""
    while not closing.is_set():
        with contextlib.suppress(queue.Full):
            waiting.put(item, timeout=0.1)
            return True
    return False


class _CudaCopy:
    """Copies on a stream of its own. The host's memory is held until the copy has been made."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._held: list[tuple[torch.cuda.Event, Batch]] = []

    def __call__(self, batch: Batch) -> tuple[Batch, Callable[[], None]]:
        self._held = [(event, held) for event, held in self._held if not event.query()]  # type: ignore[no-untyped-call]
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        with torch.cuda.stream(self._stream):
            images = batch.images.to(self._device, non_blocking=True)
            labels = batch.labels.to(self._device, non_blocking=True)
            event.record(self._stream)
        self._held.append((event, batch))

        def ready() -> None:
            """The stream that computes waits for the copy, and tells the allocator of its use."""
            using = torch.cuda.current_stream(self._device)
            using.wait_event(event)
            images.record_stream(using)
            labels.record_stream(using)

        return dataclasses.replace(batch, images=images, labels=labels), ready
