"""The loop that people write: joblib, cv2, albumentations, a webdataset ShardWriter per worker."""

from __future__ import annotations

import webdataset as wds
from joblib import Parallel, delayed

from side_by_side.loop import encoded_views
from side_by_side.stored import tar_views as views
from side_by_side.work import Work, view_key

__all__ = ["expand", "views"]


def expand(work: Work) -> None:
    """Each worker writes its own shards from its part of the images."""
    parts = enumerate(work.parts())
    Parallel(n_jobs=work.workers)(delayed(_part)(work, number, part) for number, part in parts)


def _part(work: Work, number: int, part: list[tuple[str, int]]) -> None:
    pattern = f"{work.output}/part{number}-%05d.tar"
    with wds.ShardWriter(pattern, maxcount=1000, verbose=0) as sink:
        for path, label in part:
            for copy, data in enumerate(encoded_views(path, work)):
                sink.write({"__key__": view_key(path, copy), "jpg": data, "cls": label})
