"""augcli's mapped shards and its decoder, behind torch's own DataLoader: a map-style dataset."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import simplejpeg
import torch
from torch.utils.data import DataLoader, Dataset

from side_by_side.readers.torch_loading import loader_options
from side_by_side.reading.batch import Batch, Epochs
from side_by_side.reading.work import ReadWork


class MappedShards(Dataset[tuple[torch.Tensor, int]]):
    """Views by number, from maps that each process opens for itself."""

    def __init__(self, dataset: Path) -> None:
        table = pq.read_table(
            dataset / "samples.parquet", columns=["shard", "offset", "length", "label"]
        )
        self._folder = dataset / "shards"
        columns = (table.column(name).to_pylist() for name in table.column_names)
        self._shards, self._offsets, self._lengths, self._labels = columns
        self._maps: dict[str, mmap.mmap] = {}

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
        start, length = self._offsets[number], self._lengths[number]
        data = memoryview(self._map(self._shards[number]))[start : start + length]
        return torch.from_numpy(simplejpeg.decode_jpeg(data, "RGB")), self._labels[number]

    def _map(self, shard: str) -> mmap.mmap:
        if shard not in self._maps:
            with open(self._folder / shard, "rb") as file:
                self._maps[shard] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._maps[shard]


@contextmanager
def open_reader(work: ReadWork, variant: str) -> Iterator[Epochs]:
    """Shuffled by the loader."""
    dataset = MappedShards(work.dataset("jpeg"))
    loader = DataLoader(dataset, batch_size=work.batch, shuffle=True, **loader_options(work))

    def batches(epoch: int) -> Iterator[Batch]:
        for images, labels in loader:
            yield Batch(images, labels)

    yield batches
