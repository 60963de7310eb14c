"""`python -m side_by_side.reading.measure READER WORK.json RESULT.json STARTED`: one reader, timed.

STARTED is the parent's `time.monotonic()` at the start of this process: the system's clock, the
same in all processes.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from itertools import chain, count
from pathlib import Path

from side_by_side.processes import PeerError
from side_by_side.readers import READERS
from side_by_side.reading.batch import Batch, Epochs, layout
from side_by_side.reading.measured import Measured
from side_by_side.reading.reference import Reference, read_reference
from side_by_side.reading.tally import FullTally, Tally
from side_by_side.reading.work import ReadWork, load_work


def measure(name: str, work: ReadWork, started: float) -> Measured:
    """Open a reader, check its first epoch, and time as many more as it takes.

    Raises:
        PeerError: what it gave is not the work.
    """
    reader = READERS[name]
    module = importlib.import_module(reader.module)
    opened = time.monotonic()
    with module.open_reader(work, reader.variant) as epochs:
        batches = epochs(0)
        first = next(batches)
        first_at = time.monotonic()
        reference = read_reference(work)
        full = FullTally(reference, work, drawn=reader.fresh and not reader.as_expanded)
        order = layout(first.images)
        _count_in(chain([first], batches), full)
        del first  # its memory may be wanted again
        warm_ups = 1 if time.monotonic() - first_at < work.seconds else 0
        tallies, seconds = _timed_epochs(epochs, reference, work, reader.fresh, warm_ups)
    images = sum(tally.images for tally in tallies)
    return Measured(
        images_per_second=images / seconds,
        images=images,
        seconds=seconds,
        epochs=len(tallies),
        first_batch_seconds=first_at - opened,
        start_seconds=first_at - started,
        layout=order,
    )


def _timed_epochs(
    epochs: Epochs, reference: Reference, work: ReadWork, fresh: bool, warm_ups: int
) -> tuple[list[Tally], float]:
    """The tallies of whole epochs, and the seconds that they took together.

    Fast readers have an untimed one before: those that read ahead past the end of an epoch had
    time to do so while the first one was looked at.
    """
    tallies = []
    seconds = 0.0
    for epoch in count(1):
        tally = Tally(reference, work, drawn=fresh)
        started = time.perf_counter()
        _count_in(epochs(epoch), tally)
        if epoch > warm_ups:
            tallies.append(tally)
            seconds += time.perf_counter() - started
        if seconds >= work.seconds:
            break
    return tallies, seconds


def _count_in(batches: Iterable[Batch], tally: Tally) -> None:
    """Count an epoch.

    Raises:
        PeerError: it is not the work.
    """
    for batch in batches:
        tally.add(batch)
    wrong = tally.faults()
    if wrong:
        raise PeerError(f"not equal work: {'; '.join(wrong)}")


def main() -> None:
    """Measure, and write the result as JSON."""
    name, work, result, started = sys.argv[1:]
    try:
        measured = measure(name, load_work(work), float(started))
    except PeerError as error:
        sys.exit(str(error))
    Path(result).write_text(json.dumps(asdict(measured)), encoding="utf-8")


if __name__ == "__main__":
    main()
