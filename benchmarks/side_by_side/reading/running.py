"""The steps of a comparison, each in a process of its own: expand, convert, read."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, fields
from pathlib import Path

import pyarrow.parquet as pq

from side_by_side.peers.own_command import command as own_command
from side_by_side.processes import PeerError, Usage, fresh, timed
from side_by_side.readers import READERS
from side_by_side.reading.bound import BOUNDS
from side_by_side.reading.measured import Measured
from side_by_side.reading.work import ReadWork, stored_bytes


@dataclass(frozen=True)
class ReadRun:
    """One timed run, and what its process took from start to exit."""

    measured: Measured
    used: Usage


def here(names: list[str]) -> tuple[list[str], dict[str, str]]:
    """Which of the readers can run here, and why the others can't."""
    from augcli.train import TrainConfig

    options = {field.name for field in fields(TrainConfig)}
    left_out = {}
    for name in names:
        reader = READERS[name]
        missing = reader.missing()
        if missing:
            left_out[name] = f"not installed: {', '.join(missing)}"
        elif reader.option and reader.option not in options:
            left_out[name] = f"augcli train has no --{reader.option} here"
    return [name for name in names if name not in left_out], left_out


def bounds_of(names: list[str]) -> list[str]:
    """The bounds of these readers."""
    kinds = {READERS[name].bound for name in names}
    return [name for name in BOUNDS if name.partition("-")[0] in kinds]


def expand(work: ReadWork, codec: str, images: int, timeout_seconds: float) -> int:
    """Let augcli store one view of each image; how many it stored.

    Raises:
        PeerError: it failed.
    """
    command = own_command(work.expansion(codec), codec, work.shard_images(images))
    timed(command, Path(work.folder, "expand.log"), timeout_seconds)
    return int(pq.read_metadata(work.dataset(codec) / "samples.parquet").num_rows)


def remove_unused(work: ReadWork) -> list[str]:
    """Take the images that augcli could not use out of the folder; their names."""
    table = pq.read_table(work.dataset("jpeg") / "samples.parquet", columns=["source"])
    used = set(table.column("source").to_pylist())
    names = (path.relative_to(work.data).as_posix() for path in sorted(work.data.glob("*/*")))
    unused = [name for name in names if name not in used]
    for name in unused:
        (work.data / name).unlink()
    return unused


def convert(name: str, work: ReadWork, timeout_seconds: float) -> None:
    """Bring the views into the reader's own format.

    Raises:
        PeerError: it failed.
    """
    with fresh(Path(work.folder, "run")):
        log, work_file = _files(work)
        command = ["side_by_side.reading.prepare", name, str(work_file)]
        timed([sys.executable, "-m", *command], log, timeout_seconds)


def read(name: str, work: ReadWork, timeout_seconds: float) -> ReadRun:
    """One timed run of a reader or a bound.

    Raises:
        PeerError: it failed, or what it gave is not the work.
    """
    with fresh(Path(work.folder, "run")):
        log, work_file = _files(work)
        result = log.with_name("result.json")
        if name in BOUNDS:
            command = ["side_by_side.reading.bound", name, str(work_file), str(result)]
        else:
            command = ["side_by_side.reading.measure", name, str(work_file), str(result)]
            command.append(str(time.monotonic()))
        used = timed([sys.executable, "-m", *command], log, timeout_seconds)
        if not result.exists():
            raise PeerError("failed: it left no result")
        return ReadRun(Measured(**json.loads(result.read_text(encoding="utf-8"))), used)


def kilobytes_per_image(name: str, work: ReadWork, images: int) -> float:
    """What the reader reads from, on disk."""
    reader = READERS[name]
    if reader.converts:
        folder = work.converted(name)
    elif reader.fresh:
        folder = work.data
    else:
        folder = work.dataset(reader.codec)
    return stored_bytes(folder) / images / 1e3


def _files(work: ReadWork) -> tuple[Path, Path]:
    log = Path(work.folder, "run", "reader.log")
    work_file = log.with_name("work.json")
    work.write(work_file)
    return log, work_file
