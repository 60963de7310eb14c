"""mosaicml-streaming: an MDSWriter per process and `merge_index`, as its guide on parallel
dataset conversion does."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from multiprocessing import Pool
from pathlib import Path

from streaming import LocalDataset, MDSWriter
from streaming.base.util import merge_index

from side_by_side.loop import encoded_views
from side_by_side.work import Work, view_key

COLUMNS = {"key": "str", "image": "bytes", "label": "int"}


def expand(work: Work) -> None:
    """Each process writes a folder of shards from its part of the images; then one index."""
    with Pool(work.workers) as pool:
        pool.map(partial(_part, work), list(enumerate(work.parts())), chunksize=1)
    merge_index(work.output, keep_local=True)


def views(output: Path) -> Iterator[bytes]:
    """The stored views."""
    stored = LocalDataset(local=str(output))
    for index in range(len(stored)):
        yield stored[index]["image"]


def _part(work: Work, numbered: tuple[int, list[tuple[str, int]]]) -> None:
    number, part = numbered
    with MDSWriter(columns=COLUMNS, out=f"{work.output}/{number:05d}") as sink:
        for path, label in part:
            for copy, data in enumerate(encoded_views(path, work)):
                sink.write({"key": view_key(path, copy), "image": data, "label": label})
