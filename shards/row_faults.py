"""Faults of the manifest and of its table of views: counts, names, splits and seeds.

Sound rows are told by arrays; only rows that may be at fault become records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from augcli.manifests.arrays import Integers, as_stored, numbers
from augcli.manifests.hashing import view_seed
from augcli.manifests.keys import sample_key
from augcli.manifests.manifest import MANIFEST_FILE, SAMPLES_FILE, Manifest
from augcli.manifests.sample_list import SPLITS
from augcli.manifests.samples import ViewRow
from augcli.manifests.samples_file import SamplesFile
from augcli.shards.checked_columns import CheckedColumns, Mask, Places
from augcli.shards.fault import Fault
from augcli.shards.round_faults import round_faults
from augcli.shards.table_pieces import pieces, records, taken, texts_once, values

_UNSEEDED = f"{0:032x}"
_RECORDS_AT_ONCE = 4096


def row_faults(manifest: Manifest, table: SamplesFile) -> Iterator[Fault]:
    """Everything that can be told without the shards.

    Raises:
        AugcliError: the table is torn, or holds what augcli never writes.
    """
    columns = CheckedColumns.of(table)
    yield from _check_counts(manifest, columns, _image_bytes(table))
    yield from _check_names(manifest, table)
    yield from _check_samples(manifest, table, columns)
    yield from round_faults(manifest, columns)


def _image_bytes(table: SamplesFile) -> int:
    """The sum of all lengths, whatever they are."""
    parts = map(numbers, table.parts("length"))
    return sum(int(np.sum(part, dtype=object)) for part in parts)


def _check_counts(manifest: Manifest, columns: CheckedColumns, lengths: int) -> Iterator[Fault]:
    """Law 7: counts add up, in the manifest and against the samples."""
    reference = manifest.reference
    if reference.used + reference.failures != reference.inputs:
        yield Fault(MANIFEST_FILE, "reference: inputs are not used plus failures")
    if reference.failures != manifest.failures.rows:
        yield Fault(MANIFEST_FILE, "reference.failures differs from the rows of failures.jsonl")
    if len(columns) != manifest.samples.rows:
        yield Fault(SAMPLES_FILE, f"{len(columns)} rows, the manifest has {manifest.samples.rows}")
    if reference.used != sum(split.samples for split in manifest.splits.values()):
        yield Fault(MANIFEST_FILE, "reference.used is not the sum of the splits")
    costs = {"images": lengths, "shards": sum(shard.bytes for shard in manifest.shards)}
    if dict(manifest.bytes) != costs:
        yield Fault(MANIFEST_FILE, f"bytes are {dict(manifest.bytes)}, expected {costs}")
    for name in manifest.splits:
        yield from _check_split(manifest, name, columns)


def _check_split(manifest: Manifest, name: str, columns: CheckedColumns) -> Iterator[Fault]:
    """Its views, and by class the samples and views of its first round."""
    split, is_split = manifest.splits[name], columns.is_split(name)
    views = np.count_nonzero(is_split)
    if split.views != views:
        yield Fault(SAMPLES_FILE, f"{views} views of {name}, expected {split.views}")
    if split.samples != sum(split.per_class):
        yield Fault(MANIFEST_FILE, f"{name}: its samples are not the sum over its classes")
    is_split &= columns.rounds == 0
    is_split &= (columns.labels >= 0) & (columns.labels < len(manifest.classes))
    keys, labels = columns.keys[is_split], columns.labels[is_split]
    for found, counts, what in (
        (_labels_of_samples(keys, labels), split.per_class, "samples"),
        (labels, split.views_per_class, "views per round"),
    ):
        of_label = np.bincount(found, minlength=len(manifest.classes)).tolist()
        for label, count in enumerate(counts):
            if of_label[label] != count:
                where = f"{name}, class {manifest.classes[label]}"
                fault = f"{where}: {of_label[label]} {what}, expected {count}"
                yield Fault(SAMPLES_FILE, fault)


def _labels_of_samples(keys: Integers, labels: Integers) -> Integers:
    """The label of each sample, of rows with these keys and labels: (samples,)."""
    both = np.unique(keys.astype(np.int64) << 32 | labels)
    return both & 0xFFFFFFFF


def _check_names(manifest: Manifest, table: SamplesFile) -> Iterator[Fault]:
    """Every view is in a shard that the manifest lists, once."""
    if manifest.options["format"] != "tar":
        return  # rows name files
    shards, names = texts_once(table, "shard")
    counts = np.bincount(shards, minlength=len(names)).tolist()
    views = dict(zip(names.to_pylist(), counts, strict=True))
    listed = Counter(shard.name for shard in manifest.shards)
    for name in sorted(name for name, times in listed.items() if times > 1):
        yield Fault(MANIFEST_FILE, f"lists {name} {listed[name]} times")
    for name in sorted(name for name, times in views.items() if times and name not in listed):
        yield Fault(name, f"holds {views[name]} views, but the manifest doesn't list it")


def _check_samples(
    manifest: Manifest, table: SamplesFile, columns: CheckedColumns
) -> Iterator[Fault]:
    """Laws 3 and 4, row by row: keys, labels, splits and seeds are what they must be."""
    first_splits = columns.first_splits()
    doubts = list(_doubts(manifest, table, columns, first_splits))
    # By now the whole table was read: no text of it is too long to be told, or comes too often.
    if not any(len(places) for places in doubts):
        return
    start = 0
    for piece, places in zip(pieces(table), doubts, strict=True):
        for some in np.split(places, range(_RECORDS_AT_ONCE, len(places), _RECORDS_AT_ONCE)):
            firsts = first_splits[columns.keys[start + some]].tolist()
            for row, first in zip(records(taken(piece, some)), firsts, strict=True):
                yield from _check_sample(manifest, row, columns.split_names[first])
        start += piece.num_rows


def _doubts(
    manifest: Manifest, table: SamplesFile, columns: CheckedColumns, first_splits: Integers
) -> Iterator[Places]:
    """For each piece of the table, which of its rows may be at fault."""
    start = 0
    for piece in pieces(table):
        rows = slice(start, start + piece.num_rows)
        doubt = _rows_in_doubt(columns, rows, first_splits) | _piece_in_doubt(manifest, piece)
        yield np.flatnonzero(doubt)
        start = rows.stop


def _rows_in_doubt(columns: CheckedColumns, rows: slice, first_splits: Integers) -> Mask:
    """Those whose split is none, is not that of their key, or may not have their copy."""
    splits = columns.splits[rows]
    is_known = np.array([name in SPLITS for name in columns.split_names], np.bool_)
    may_be_augmented = np.array([name == "train" for name in columns.split_names], np.bool_)
    is_sound: Mask = is_known[splits] & (first_splits[columns.keys[rows]] == splits)
    is_sound &= may_be_augmented[splits] | (columns.copies[rows] == 0)
    return ~is_sound


def _piece_in_doubt(manifest: Manifest, piece: pa.RecordBatch) -> Mask:
    """The rows of a piece whose key, class or seed may not be what it must be."""
    keys, sources, classes = (piece.column(name) for name in ("key", "source", "class"))
    key_of = {key: number for number, key in enumerate(keys.dictionary.to_pylist())}
    label_of = {name: label for label, name in enumerate(manifest.classes)}
    due_keys = [key_of.get(sample_key(name), -1) for name in sources.dictionary.to_pylist()]
    no_label = len(label_of)
    due_labels = [label_of.get(name, no_label) for name in classes.dictionary.to_pylist()]
    doubt: Mask = np.array(due_keys)[as_stored(sources)] != as_stored(keys)
    labels = np.array(due_labels)[as_stored(classes)]
    doubt |= (labels == no_label) | (labels != as_stored(piece.column("label")))
    doubt |= np.array(_other_seeds(int(manifest.options["seed"]), piece), np.bool_)
    return doubt


def _other_seeds(run_seed: int, piece: pa.RecordBatch) -> list[bool]:
    """Of each row of a piece, whether its seed is not that of (run seed, key, copy)."""
    rows = zip(*(values(piece, name) for name in ("key", "copy", "seed")), strict=True)
    return [seed != _seed(run_seed, key, copy) for key, copy, seed in rows]


def _seed(run_seed: int, key: str, copy: int) -> str:
    return f"{view_seed(run_seed, key, copy):032x}" if copy else _UNSEEDED


def _check_sample(manifest: Manifest, row: ViewRow, first_split: str) -> Iterator[Fault]:
    """`first_split`: that of the first row with this key."""
    where = f"{row.key}, copy {row.copy}"
    if row.split not in SPLITS:
        yield Fault(where, f"unknown split '{row.split}'")
    if first_split != row.split:
        yield Fault(where, f"is in {row.split} and in {first_split}: splits must not mix")
    if row.split != "train" and row.copy != 0:
        yield Fault(where, f"an augmented copy in {row.split}: only training data may be")
    if sample_key(row.source) != row.key:
        yield Fault(where, f"is not the key of {row.source}")
    if not 0 <= row.label < len(manifest.classes):
        yield Fault(where, f"label {row.label} is outside the {len(manifest.classes)} classes")
    elif manifest.classes[row.label] != row.class_name:
        yield Fault(where, f"class '{row.class_name}' is not that of label {row.label}")
    if row.seed != _seed(int(manifest.options["seed"]), row.key, row.copy):
        yield Fault(where, "the seed is not that of (run seed, key, copy)")
