"""mosaicml-streaming: MDS shards of the views as they are stored, decoded by Pillow."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from streaming import MDSWriter, StreamingDataset
from streaming.base.util import clean_stale_shared_memory
from torch.utils.data import DataLoader

from augcli.train.comparisons.peers.work import PeerWork

COLUMNS = {"image": "bytes", "label": "int"}


class Views(StreamingDataset):  # type: ignore[misc]
    """Pixels instead of encoded bytes."""

    def __getitem__(self, at: Any) -> Any:
        row = super().__getitem__(at)
        image = Image.open(io.BytesIO(row["image"])).convert("RGB")
        return torch.from_numpy(np.array(image)), row["label"]


@contextmanager
def open_peer(work: PeerWork) -> Iterator[Callable[[], Iterator[Any]]]:
    """Shuffled by the dataset."""
    local = str(Path(work.folder) / "shards")
    with MDSWriter(columns=COLUMNS, out=local) as sink:
        for data, label in work.stored():
            sink.write({"image": data, "label": label})
    clean_stale_shared_memory()
    dataset = Views(local=local, shuffle=True, batch_size=work.batch_size)
    loader: Any = DataLoader(dataset, batch_size=work.batch_size, **work.loader_options())
    yield lambda: iter(loader)
