"""Faults of one shard: the tar's bytes, headers, order and members, against record and rows."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path

from augcli.manifests.errors import AugcliError
from augcli.manifests.hashing import sha256_bytes
from augcli.manifests.keys import view_name
from augcli.manifests.manifest import SAMPLES_FILE, SHARDS_FOLDER, ShardRecord
from augcli.manifests.samples import ViewRow
from augcli.shards.fault import Fault
from augcli.shards.image_faults import image_faults, is_as_written
from augcli.shards.reader import map_file, members
from augcli.shards.tar import Member

MEMBERS_PER_VIEW = 3


def tar_faults(dataset: Path, shard: ShardRecord, rows: Sequence[ViewRow]) -> Iterator[Fault]:
    """Laws 5 and 6, for a shard that is there and has the right size (see `lost_files`)."""
    where = f"{SHARDS_FOLDER}/{shard.name}"
    path = dataset / SHARDS_FOLDER / shard.name
    if not path.is_file() or path.stat().st_size != shard.bytes:
        return
    yield from misplaced_rows(where, shard, rows)
    try:
        with map_file(path) as mapped:
            ordered = sorted(rows, key=lambda row: row.offset)
            others = [_at(row) for row in ordered if not is_as_written(row, _image(mapped, row))]
            is_recorded = sha256_bytes(memoryview(mapped)) == shard.sha256
            if not is_recorded:
                rest = "" if others or len(rows) != shard.views else "; every image in it is whole"
                yield Fault(where, f"its bytes are not those that the manifest records{rest}")
            yield from image_faults(where, others, len(rows), is_recorded=is_recorded)
            found = list(members(mapped))
            yield from _check_members(where, found, ordered, mapped)
    except AugcliError as error:
        yield Fault(where, str(error))


def misplaced_rows(where: str, shard: ShardRecord, rows: Sequence[ViewRow]) -> Iterator[Fault]:
    """Rows of a shard that are not of its split and round, and too many or too few of them."""
    if any((row.split, row.round) != (shard.split, shard.round) for row in rows):
        yield Fault(
            where, f"holds views of another split or round than {shard.split}, {shard.round}"
        )
    if len(rows) != shard.views:
        yield Fault(where, f"{len(rows)} rows in {SAMPLES_FILE}, expected {shard.views}")


def _check_members(
    where: str, found: Sequence[Member], rows: Sequence[ViewRow], mapped: mmap.mmap
) -> Iterator[Fault]:
    if len(found) != MEMBERS_PER_VIEW * len(rows):
        yield Fault(where, f"{len(found)} members, expected {MEMBERS_PER_VIEW} for each view")
        return
    for number, row in enumerate(rows):
        image, label, fields = found[MEMBERS_PER_VIEW * number :][:MEMBERS_PER_VIEW]
        name = view_name(row.key, row.copy)
        if {member.name.partition(".")[0] for member in (image, label, fields)} != {name}:
            yield Fault(where, f"{image.name}: expected the view {name} at byte {row.offset}")
            continue
        if (image.offset, image.size) != (row.offset, row.length):
            yield Fault(where, f"{name}: is not where {SAMPLES_FILE} says")
        if _content(mapped, label) != b"%d" % row.label:
            yield Fault(where, f"{label.name}: is not the label {row.label}")
        if _content(mapped, fields) != row.member_json():
            yield Fault(where, f"{fields.name}: differs from {SAMPLES_FILE}")


def _image(mapped: mmap.mmap, row: ViewRow) -> memoryview:
    """Not copied; shorter than it should be where the row points outside the shard."""
    return memoryview(mapped)[max(0, row.offset) : max(0, row.offset + row.length)]


def _at(row: ViewRow) -> str:
    return f"{view_name(row.key, row.copy)} at byte {row.offset}"


def _content(mapped: mmap.mmap, member: Member) -> bytes:
    return mapped[member.offset : member.offset + member.size]
