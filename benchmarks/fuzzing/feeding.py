"""Feeding readers in processes of their own, within bounds of time and memory."""

from __future__ import annotations

import multiprocessing
import os
import random
import re
import signal
import time
import warnings
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from side_by_side.machine import memory_bytes

from fuzzing.changes import MAX_BYTES, changed, drawn
from fuzzing.targets import TARGETS, Target


@dataclass(frozen=True)
class Feeding:
    """How long, and within which bounds."""

    target: str
    seconds: float
    seed: int
    hang_seconds: float
    out: Path
    folder: Path | None = None
    inputs: int = 10**12

    def seeds(self) -> list[bytes]:
        """The sound files to begin with."""
        found = TARGETS[self.target].seeds()
        if self.folder is not None:
            files = sorted(path for path in self.folder.rglob("*") if path.is_file())
            found += [path.read_bytes() for path in files if path.stat().st_size <= MAX_BYTES]
        return found


def feed_until(feeding: Feeding, number: int, results: Any) -> None:
    """Feed one reader in this process; `results` hears (fed, refused) and of what was found."""
    target = TARGETS[feeding.target]
    rng = random.Random(f"{feeding.seed} {number}")
    seeds, refusals = feeding.seeds(), target.refusals()
    for seed in seeds:  # everything is imported, and caches are filled
        outcome(target, refusals, seed)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff tells what it thinks of each file
    limit_memory(target.bytes)
    current = feeding.out / f".{feeding.target}.current"
    ends = time.monotonic() + feeding.seconds
    fed = refused = 0
    while time.monotonic() < ends and fed < feeding.inputs:
        seed, other = rng.choice(seeds), rng.choice(seeds)
        data = changed(seed, drawn(rng), other, mended=rng.random() < 0.5)
        current.write_bytes(data)
        signal.setitimer(signal.ITIMER_REAL, feeding.hang_seconds)
        what = outcome(target, refusals, data)
        signal.setitimer(signal.ITIMER_REAL, 0)
        fed += 1
        refused += what == "refused"
        if what not in ("taken", "refused"):
            results.put(("found", what, data))
        if fed % 50 == 0:
            results.put(("fed", 50, refused))
            refused = 0
    results.put(("fed", fed % 50, refused))


def outcome(target: Target, refusals: tuple[type[BaseException], ...], data: bytes) -> str:
    """What came of a file: taken, refused, or something that should not be."""
    try:
        target.feed(data)
    except refusals:
        return "refused"
    except MemoryError:
        return f"more than {target.bytes >> 20} MB"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return "taken"


def limit_memory(more: int) -> None:
    """Let this process take `more` bytes than it has (Linux)."""
    import resource

    now = memory_bytes("self", "status", "VmData:")
    assert now
    most = now + more
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def feed(feeding: Feeding) -> tuple[int, int, list[str]]:
    """Feed a reader in processes that may die: fed, refused, and what was found."""
    context = multiprocessing.get_context("fork")
    fed = refused = 0
    found: dict[str, str] = {}
    ends = time.monotonic() + feeding.seconds
    number = 0
    while time.monotonic() < ends and number < feeding.inputs and fed < feeding.inputs:
        number += 1
        results = context.SimpleQueue()
        left = replace(feeding, seconds=ends - time.monotonic(), inputs=feeding.inputs - fed)
        process = context.Process(target=feed_until, args=(left, number, results))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
            process.start()
        while process.is_alive() or not results.empty():
            if results.empty():
                time.sleep(0.05)
                continue
            kind, *told = results.get()
            if kind == "fed":
                fed, refused = fed + told[0], refused + told[1]
            else:
                _keep(feeding, found, *told)
        process.join()
        if process.exitcode:
            name = signal.Signals(-process.exitcode).name if process.exitcode < 0 else "exit"
            what = "took too long" if name == "SIGALRM" else f"crashed by {name}"
            _keep(feeding, found, what, (feeding.out / f".{feeding.target}.current").read_bytes())
    (feeding.out / f".{feeding.target}.current").unlink(missing_ok=True)
    return fed, refused, list(found.values())


def _keep(feeding: Feeding, found: dict[str, str], what: str, data: bytes) -> None:
    """Keep the first file of each kind of finding."""
    kind = re.sub(r"0x[0-9a-f]+|\d+|/\S+", "…", what)[:150]
    if kind not in found:
        path = feeding.out / f"{feeding.target}-{zlib.crc32(data):08x}"
        path.write_bytes(data)
        found[kind] = f"{path}: {what}"
