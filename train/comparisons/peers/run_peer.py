"""`python -m augcli.train.comparisons.peers.run_peer NAME WORK.json RESULT.json`: one peer, timed.

What it gives is looked at: shapes, types and labels of every batch, and how many an epoch has.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from augcli.train.comparisons.measurements import Repeated, read_record, write_record
from augcli.train.comparisons.peers.registry import PEERS
from augcli.train.comparisons.peers.work import PeerWork
from augcli.train.comparisons.stretches import REPEATS, measure_stretch


class OtherWorkError(Exception):
    """What a peer gave is not the work."""


def measured(open_peer: Callable[[PeerWork], Any], work: PeerWork) -> Repeated:
    """Views per second, once and again.

    Raises:
        OtherWorkError: it gave other batches than were asked for.
    """
    with open_peer(work) as another_epoch:
        batches = _checked(another_epoch, work)
        return Repeated(
            tuple(measure_stretch(batches, int, lambda size: None).rate for _ in range(REPEATS))
        )


def _checked(another_epoch: Callable[[], Iterator[Any]], work: PeerWork) -> Iterator[int]:
    """The sizes of batches without end, each of which was looked at."""
    record = work.manifest.splits["train"]
    while True:
        views = 0
        for images, labels in another_epoch():
            shape, kind = tuple(images.shape), str(images.dtype).removeprefix("torch.")
            square = (work.size, work.size)
            if kind != "uint8" or (3, *square) != shape[1:] != (*square, 3):
                raise OtherWorkError(f"a batch of {kind} {shape}")
            numbers = np.asarray(labels).reshape(-1)
            if len(numbers) != len(images) or not 0 <= numbers.min() <= numbers.max() < len(
                record.per_class
            ):
                raise OtherWorkError("labels that the images don't have")
            views += len(images)
            yield len(images)
        if views != record.views_per_round:
            raise OtherWorkError(f"{views} views in an epoch of {record.views_per_round}")


def main() -> None:
    """Measure, and write the result as JSON."""
    name, work, result = sys.argv[1:]
    module = importlib.import_module(f"augcli.train.comparisons.peers.{PEERS[name].module}")
    try:
        write_record(Path(result), measured(module.open_peer, read_record(Path(work), PeerWork)))
    except OtherWorkError as error:
        sys.exit(f"not the same work: {error}")


if __name__ == "__main__":
    main()
