"""The rows of each shard, as records, while one goes through the table: few are there at once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from augcli.manifests.manifest import Manifest, ShardRecord
from augcli.manifests.samples import ViewRow
from augcli.manifests.samples_file import SamplesFile
from augcli.shards.table_pieces import pieces, records, texts_once

ROWS_AT_ONCE = 1 << 17

Rows = list[ViewRow]
ShardAndRows = tuple[ShardRecord, Rows]
Run = tuple[str, int]
"""A shard, and how many rows that follow one another it has."""

NO_SHARD = ""


def shard_rows(manifest: Manifest, table: SamplesFile) -> Iterator[ShardAndRows]:
    """Each shard that the manifest lists, with its rows, as they are complete.

    That is in the manifest's order, if the table has it; shards without rows come last. In the
    folder format rows name files: they are dealt out as the table has them.

    Raises:
        AugcliError: as `SamplesFile.parts`.
    """
    listed: defaultdict[str, list[ShardRecord]] = defaultdict(list)
    for shard in dict.fromkeys(manifest.shards):
        listed[shard.name].append(shard)
    runs = list(_named(table) if manifest.options["format"] == "tar" else _dealt_out(manifest))
    counts: Counter[str] = Counter()
    for name, count in runs:
        counts[name] += count
    rows: defaultdict[str, Rows] = defaultdict(list)
    for name, part in _cut(pieces(table), runs):
        if name in listed:
            rows[name] += records(part)
            if len(rows[name]) == counts[name]:
                whole = rows.pop(name)
                yield from ((shard, whole) for shard in listed.pop(name))
    yield from ((shard, rows[name]) for name, shards in listed.items() for shard in shards)


def portions(shards: Iterable[ShardAndRows]) -> Iterator[list[ShardAndRows]]:
    """Some shards at a time: as many as have `ROWS_AT_ONCE` rows, or one that has more."""
    some: list[ShardAndRows] = []
    count = 0
    for shard, rows in shards:
        if some and count + len(rows) > ROWS_AT_ONCE:
            yield some
            some, count = [], 0
        some.append((shard, rows))
        count += len(rows)
    if some:
        yield some


def _named(table: SamplesFile) -> Iterator[Run]:
    """As the rows name shards."""
    shards, texts = texts_once(table, "shard")
    names = texts.to_pylist()
    changes = np.flatnonzero(shards[1:] != shards[:-1]) + 1
    first = 0
    for end in (*changes.tolist(), len(shards)):
        if end > first:
            yield names[shards[first]], end - first
        first = end


def _dealt_out(manifest: Manifest) -> Iterator[Run]:
    """As the manifest counts views; of shards with one name the last has rows."""
    last = {shard.name: number for number, shard in enumerate(manifest.shards)}
    for number, shard in enumerate(manifest.shards):
        yield shard.name if last[shard.name] == number else NO_SHARD, shard.views


def _cut(
    batches: Iterable[pa.RecordBatch], runs: Iterable[Run]
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """The rows of each run, in as many parts as there are pieces that have some."""
    left_runs, name, left = iter(runs), NO_SHARD, 0
    for batch in batches:
        first = 0
        while first < batch.num_rows:
            while not left:
                name, left = next(left_runs, (NO_SHARD, batch.num_rows))
            count = min(left, batch.num_rows - first)
            yield name, batch.slice(first, count)
            first, left = first + count, left - count
