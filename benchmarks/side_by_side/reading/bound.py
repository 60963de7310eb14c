"""What no reader of the same views can be faster than: decoding, or copying, and nothing else.

`decode`: JPEG bytes that are in memory are decoded by simplejpeg into one kept image. `copy`: the
pixels of mapped npy shards, in random order, are copied into one kept batch. Both in as many
threads as there are workers, or in as many processes.

`python -m side_by_side.reading.bound BOUND WORK.json RESULT.json`
"""

from __future__ import annotations

import json
import mmap
import multiprocessing
import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from side_by_side.reading.measured import Measured
from side_by_side.reading.views import stored_views
from side_by_side.reading.work import ReadWork, load_work

# Does one image; the number says which.
OneImage = Callable[[int], None]
BOUNDS = {
    "decode-threads": "simplejpeg into kept memory, threads",
    "decode-processes": "simplejpeg into kept memory, processes",
    "copy-threads": "copying mapped pixels into a kept batch, threads",
    "copy-processes": "copying mapped pixels into a kept batch, processes",
}
BLOCK_IMAGES = 16


def measure_bound(name: str, work: ReadWork) -> Measured:
    """Images per second of all workers together."""
    kind, _, how = name.partition("-")
    results = (_in_threads if how == "threads" else _in_processes)(kind, work)
    return Measured(
        images_per_second=sum(images / seconds for images, seconds in results),
        images=sum(images for images, _ in results),
        seconds=max(seconds for _, seconds in results),
    )


def _in_threads(kind: str, work: ReadWork) -> list[tuple[int, float]]:
    barrier = threading.Barrier(work.workers)
    results: list[tuple[int, float]] = []
    makers = KINDS[kind](work)

    def worker(number: int) -> None:
        results.append(_loop(makers(), work, number, barrier))

    threads = [threading.Thread(target=worker, args=(n,)) for n in range(work.workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def _in_processes(kind: str, work: ReadWork) -> list[tuple[int, float]]:
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(work.workers), context.SimpleQueue()
    processes = [
        context.Process(target=_process, args=(kind, work, number, barrier, results))
        for number in range(work.workers)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        if process.exitcode:
            sys.exit(f"a process of the bound ended with exit code {process.exitcode}")
    return [results.get() for _ in processes]


def _process(kind: str, work: ReadWork, number: int, barrier: Any, results: Any) -> None:
    results.put(_loop(KINDS[kind](work)(), work, number, barrier))


def _loop(one_image: OneImage, work: ReadWork, number: int, barrier: Any) -> tuple[int, float]:
    """Images and seconds of one worker: an untimed pass, then until the time is over."""
    images = sum(1 for _ in stored_views(work, "jpeg"))
    order = list(range(number, images, work.workers)) or [0]
    random.Random(number).shuffle(order)
    for image in order:
        one_image(image)
    barrier.wait()
    done, started = 0, time.perf_counter()
    while True:
        for _ in range(BLOCK_IMAGES):
            one_image(order[done % len(order)])
            done += 1
        seconds = time.perf_counter() - started
        if seconds >= work.seconds:
            return done, seconds


def _decoding(work: ReadWork) -> Callable[[], OneImage]:
    import simplejpeg

    encoded = [view.data() for view in stored_views(work, "jpeg")]

    def worker() -> OneImage:
        kept = np.empty((work.size, work.size, 3), np.uint8)

        def one_image(number: int) -> None:
            simplejpeg.decode_jpeg(encoded[number], "RGB", buffer=kept)

        return one_image

    return worker


def _copying(work: ReadWork) -> Callable[[], OneImage]:
    stored = list(stored_views(work, "npy"))
    maps = {shard: _map(shard) for shard in {view.shard for view in stored}}
    size = work.size * work.size * 3
    images = [
        np.frombuffer(maps[view.shard], np.uint8, size, view.offset + view.length - size)
        for view in stored
    ]

    def worker() -> OneImage:
        kept = np.empty((work.batch, size), np.uint8)
        done = 0

        def one_image(number: int) -> None:
            nonlocal done
            np.copyto(kept[done % work.batch], images[number])
            done += 1

        return one_image

    return worker


def _map(path: str) -> mmap.mmap:
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


# What all workers of a process share is made once; each gets a function with memory of its own.
KINDS = {"decode": _decoding, "copy": _copying}


if __name__ == "__main__":
    bound, work_file, result = sys.argv[1:]
    measured = measure_bound(bound, load_work(work_file))
    Path(result).write_text(json.dumps(asdict(measured)), encoding="utf-8")
