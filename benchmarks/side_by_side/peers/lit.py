"""litdata: `optimize` with a function that yields the views of one image."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from side_by_side.work import Work, view_key

CHUNK_BYTES = "64MB"


def expand(work: Work) -> None:
    """litdata deals the images out to its workers and writes the chunks."""
    os.environ["DATA_OPTIMIZER_CACHE_FOLDER"] = f"{work.output}.cache"
    from litdata import optimize

    optimize(
        fn=partial(_views_of, work),
        inputs=work.images(),
        output_dir=work.output,
        num_workers=work.workers,
        chunk_bytes=CHUNK_BYTES,
    )


def views(output: Path) -> Iterator[bytes]:
    """The stored views."""
    from litdata import StreamingDataset

    for row in StreamingDataset(str(output), shuffle=False):
        yield row["image"]


def _views_of(work: Work, image: tuple[str, int]) -> Iterator[dict[str, Any]]:
    from side_by_side.loop import encoded_views

    path, label = image
    for copy, data in enumerate(encoded_views(path, work)):
        yield {"key": view_key(path, copy), "image": data, "label": label}
