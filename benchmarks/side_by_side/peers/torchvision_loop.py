"""What both torchvision peers share: joblib workers that write shards."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import webdataset as wds
from joblib import Parallel, delayed

from side_by_side.work import Work, image_seed, view_key

Encoded = Callable[[str, Work], Iterator[bytes]]


def expand_with(work: Work, encoded: Encoded) -> None:
    """Each worker writes its own shards of what `encoded` makes of its part of the images."""
    Parallel(n_jobs=work.workers)(
        delayed(_part)(work, encoded, number, part) for number, part in enumerate(work.parts())
    )


def _part(work: Work, encoded: Encoded, number: int, part: list[tuple[str, int]]) -> None:
    torch.set_num_threads(1)
    pattern = f"{work.output}/part{number}-%05d.tar"
    with wds.ShardWriter(pattern, maxcount=1000, verbose=0) as sink:
        for path, label in part:
            torch.manual_seed(image_seed(path, work.seed))
            for copy, data in enumerate(encoded(path, work)):
                sink.write({"__key__": view_key(path, copy), "jpg": data, "cls": label})
