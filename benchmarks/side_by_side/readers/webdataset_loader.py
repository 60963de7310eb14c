"""webdataset over augcli's own shards: shuffled, decoded and batched by the workers.

The JSON members, which no trainer needs, are not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import webdataset as wds

from side_by_side.readers.torch_loading import loader_options
from side_by_side.reading.batch import Batch, Epochs
from side_by_side.reading.work import ReadWork

SHUFFLE_SAMPLES = 1000


@contextmanager
def open_webdataset(work: ReadWork, decoder: Any, **more: Any) -> Iterator[Epochs]:
    """`decoder` is what webdataset's `decode` takes; `more` are options of the loader."""
    dataset = (
        wds.WebDataset(
            work.shards("jpeg"), shardshuffle=100, select_files=_is_wanted, seed=work.seed
        )
        .shuffle(SHUFFLE_SAMPLES)
        .decode(decoder)
        .to_tuple("jpg", "cls")
        .batched(work.batch)
    )
    loader = wds.WebLoader(dataset, batch_size=None, **loader_options(work), **more)

    def batches(epoch: int) -> Iterator[Batch]:
        for images, labels in loader:
            yield Batch(images, labels)

    yield batches


def for_jpeg(decode: Callable[[bytes], Any]) -> Any:
    """A decoder of JPEG members only; labels are still webdataset's to decode."""
    return wds.handle_extension("jpg", decode)


def _is_wanted(name: str) -> bool:
    return not name.endswith(".json")
