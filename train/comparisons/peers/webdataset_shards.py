"""webdataset over the arm's own shards, as its documentation has it; JSON members are not read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import webdataset as wds

from augcli.train.comparisons.peers.work import PeerWork

SHUFFLED_SAMPLES = 1000


@contextmanager
def open_peer(work: PeerWork) -> Iterator[Callable[[], Iterator[Any]]]:
    """Shuffled, decoded and batched by the workers."""
    dataset = (
        wds.WebDataset(work.shards(), shardshuffle=100, select_files=_is_wanted, empty_check=False)
        .shuffle(SHUFFLED_SAMPLES)
        .decode("rgb8")
        .to_tuple(work.extension, "cls")
        .batched(work.batch_size)
    )
    loader = wds.WebLoader(dataset, batch_size=None, **work.loader_options())
    yield lambda: iter(loader)


def _is_wanted(name: str) -> bool:
    return not name.endswith(".json")
