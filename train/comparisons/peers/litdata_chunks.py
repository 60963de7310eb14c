"""litdata: chunks of the views as they are stored, decoded as it decodes images."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from augcli.train.comparisons.peers.work import PeerWork

CHUNK_BYTES = "64MB"


@contextmanager
def open_peer(work: PeerWork) -> Iterator[Callable[[], Iterator[Any]]]:
    """Shuffled by the dataset."""
    folder = Path(work.folder)
    os.environ["DATA_OPTIMIZER_CACHE_FOLDER"] = str(folder / "cache")
    from litdata import StreamingDataLoader, StreamingDataset, optimize

    files = folder / "files"
    files.mkdir()
    rows = []
    for number, (data, label) in enumerate(work.stored()):
        path = files / f"{number}.{work.extension}"
        path.write_bytes(data)
        rows.append((str(path), label))
    chunks = str(folder / "chunks")
    optimize(
        fn=_row,
        inputs=rows,
        output_dir=chunks,
        num_workers=max(1, work.workers),
        chunk_bytes=CHUNK_BYTES,
    )
    dataset = StreamingDataset(chunks, shuffle=True)
    loader = StreamingDataLoader(dataset, batch_size=work.batch_size, **work.loader_options())
    yield lambda: ((batch["image"], batch["label"]) for batch in loader)


def _row(image: tuple[str, int]) -> dict[str, Any]:
    """Images that Pillow opened from files are stored as the files' bytes."""
    path, label = image
    return {"image": Image.open(path), "label": label}
