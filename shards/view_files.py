"""Faults of the folder format: the files of one round and chunk, against their record and rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from augcli.manifests.keys import class_folder, view_name
from augcli.manifests.manifest import ShardRecord
from augcli.manifests.samples import ViewRow
from augcli.manifests.samples_file import SamplesFile
from augcli.shards.fault import Fault
from augcli.shards.image_faults import image_faults, is_as_written
from augcli.shards.name_set import NameSet
from augcli.shards.table_pieces import pieces, values
from augcli.shards.tar_faults import misplaced_rows


def view_files(table: SamplesFile) -> NameSet:
    """The files of all views.

    Raises:
        AugcliError: as `SamplesFile.parts`.
    """
    return NameSet(name for piece in pieces(table, ["shard"]) for name in values(piece, "shard"))


def folder_faults(dataset: Path, shard: ShardRecord, rows: Sequence[ViewRow]) -> Iterator[Fault]:
    """Laws 5 and 6, for the files of one shard; each is read once."""
    yield from misplaced_rows(shard.name, shard, rows)
    digest, all_read = hashlib.sha256(), True
    others: list[str] = []
    for row in rows:
        place = f"{row.split}/{class_folder(row.class_name)}/{view_name(row.key, row.copy)}"
        if row.shard.rpartition(".")[0] != place or row.offset != 0:
            yield Fault(row.shard, f"expected the view at {place}")
            return
        try:
            content = (dataset / row.shard).read_bytes()
        except OSError as error:
            all_read = False
            yield _unread(row.shard, error)
            continue
        digest.update(content)
        if len(content) != row.length:
            yield Fault(row.shard, f"{len(content)} bytes, expected {row.length}")
        elif not is_as_written(row, content):
            others.append(row.shard)
    is_recorded = digest.hexdigest() == shard.sha256
    if all_read and not is_recorded:
        yield Fault(shard.name, "its files' bytes are not those that the manifest records")
    yield from image_faults(shard.name, others, len(rows), is_recorded=is_recorded)


def _unread(place: str, error: OSError) -> Fault:
    is_gone = isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError)
    return Fault(place, "is missing" if is_gone else f"can't be read: {error.strerror}")
