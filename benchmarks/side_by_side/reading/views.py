"""The stored views, for those who convert them: by address, as `samples.parquet` gives it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from side_by_side.reading.work import ReadWork


@dataclass(frozen=True)
class StoredView:
    """One view: where it is, and what it is of. `source` is relative to the folder of images."""

    key: str
    source: str
    label: int
    shard: str
    offset: int
    length: int

    def data(self) -> bytes:
        """Its bytes."""
        with open(self.shard, "rb") as file:
            file.seek(self.offset)
            return file.read(self.length)

    def file(self) -> io.BytesIO:
        """Its bytes, as a file."""
        return io.BytesIO(self.data())

    def array(self) -> npt.NDArray[np.uint8]:
        """The pixels of an npy view, uint8 (size, size, 3)."""
        array: npt.NDArray[np.uint8] = np.load(self.file())
        return array


def stored_views(work: ReadWork, codec: str) -> Iterator[StoredView]:
    """All views in the order of the shards."""
    dataset = work.dataset(codec)
    columns = ["key", "source", "label", "shard", "offset", "length"]
    table = pq.read_table(dataset / "samples.parquet", columns=columns)
    for row in table.to_pylist():
        yield StoredView(**{**row, "shard": str(dataset / "shards" / row["shard"])})


def write_files(work: ReadWork, folder: Path) -> list[tuple[str, int]]:
    """Each JPEG view as a file of its own; (path, label) of all."""
    folder.mkdir(parents=True)
    written = []
    for view in stored_views(work, "jpeg"):
        path = folder / f"{view.key}.jpg"
        path.write_bytes(view.data())
        written.append((str(path), view.label))
    return written
