"""Hugging Face datasets to tar: `map`, then each process writes its part of the rows to shards."""

from __future__ import annotations

from functools import partial
from multiprocessing import Pool

import datasets
import webdataset as wds

from side_by_side.peers.hugging_face import mapped
from side_by_side.stored import tar_views as views
from side_by_side.work import Work

__all__ = ["expand", "views"]


def expand(work: Work) -> None:
    """The arrow files first, as `map` has no other way; then the shards."""
    rows = mapped(work).cast_column("image", datasets.Image(decode=False))
    with Pool(work.workers) as pool:
        pool.map(partial(_part, work, rows), range(work.workers), chunksize=1)


def _part(work: Work, rows: datasets.Dataset, number: int) -> None:
    pattern = f"{work.output}/part{number}-%05d.tar"
    part = rows.shard(num_shards=work.workers, index=number, contiguous=True)
    with wds.ShardWriter(pattern, maxcount=1000, verbose=0) as sink:
        for row in part:
            sink.write({"__key__": row["key"], "jpg": row["image"]["bytes"], "cls": row["label"]})
