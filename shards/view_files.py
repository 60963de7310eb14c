"""Faults of the folder format: the files of one round and chunk, against their record and rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from augcli.manifests.keys import class_folder, view_name
from augcli.manifests.manifest import ShardRecord
from augcli.manifests.samples import ViewRow
from augcli.shards.fault import Fault
from augcli.shards.folder import sha256_of_files
from augcli.shards.tar_faults import misplaced_rows


def folder_faults(dataset: Path, shard: ShardRecord, rows: Sequence[ViewRow]) -> Iterator[Fault]:
    """Laws 5 and 6, for the files of one shard."""
    yield from misplaced_rows(shard.name, shard, rows)
    for row in rows:
        place = f"{row.split}/{class_folder(row.class_name)}/{view_name(row.key, row.copy)}"
        if row.shard.rpartition(".")[0] != place or row.offset != 0:
            yield Fault(row.shard, f"expected the view at {place}")
            return
        path = dataset / row.shard
        if not path.is_file():
            yield Fault(row.shard, "is missing")
        elif path.stat().st_size != row.length:
            yield Fault(row.shard, f"{path.stat().st_size} bytes, expected {row.length}")
    if sha256_of_files(dataset, (row.shard for row in rows)) not in ("", shard.sha256):
        yield Fault(shard.name, "its files' bytes are not those that the manifest records")
