"""Faults of the manifest and of its table of views: counts, names, splits, seeds and rounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from augcli.manifests.hashing import view_seed
from augcli.manifests.keys import sample_key
from augcli.manifests.manifest import MANIFEST_FILE, SAMPLES_FILE, Manifest
from augcli.manifests.reference import SPLITS
from augcli.manifests.rounds import copies_of_round
from augcli.manifests.samples import ViewRow
from augcli.shards.fault import Fault


def row_faults(manifest: Manifest, rows: Sequence[ViewRow]) -> Iterator[Fault]:
    """Everything that can be told without the shards."""
    yield from _check_counts(manifest, rows)
    yield from _check_names(manifest, rows)
    yield from _check_samples(manifest, rows)
    yield from _check_rounds(manifest, rows)


def _check_counts(manifest: Manifest, rows: Sequence[ViewRow]) -> Iterator[Fault]:
    """Law 7: counts add up, in the manifest and against the samples."""
    reference = manifest.reference
    if reference.used + reference.failures != reference.inputs:
        yield Fault(MANIFEST_FILE, "reference: inputs are not used plus failures")
    if reference.failures != manifest.failures.rows:
        yield Fault(MANIFEST_FILE, "reference.failures differs from the rows of failures.jsonl")
    if len(rows) != manifest.samples.rows:
        yield Fault(SAMPLES_FILE, f"{len(rows)} rows, the manifest has {manifest.samples.rows}")
    if reference.used != sum(split.samples for split in manifest.splits.values()):
        yield Fault(MANIFEST_FILE, "reference.used is not the sum of the splits")
    costs = {"images": sum(r.length for r in rows), "shards": sum(s.bytes for s in manifest.shards)}
    if dict(manifest.bytes) != costs:
        yield Fault(MANIFEST_FILE, f"bytes are {dict(manifest.bytes)}, expected {costs}")
    views = Counter(row.split for row in rows)
    first_round = Counter((row.split, row.label) for row in rows if row.round == 0)
    first_samples = Counter({(r.split, r.label, r.key) for r in rows if r.round == 0})
    samples = Counter((split, label) for split, label, _ in first_samples)
    for name, split in manifest.splits.items():
        if split.views != views[name]:
            yield Fault(SAMPLES_FILE, f"{views[name]} views of {name}, expected {split.views}")
        if split.samples != sum(split.per_class):
            yield Fault(MANIFEST_FILE, f"{name}: its samples are not the sum over its classes")
        for found, counts, what in (
            (samples, split.per_class, "samples"),
            (first_round, split.views_per_class, "views per round"),
        ):
            for label, count in enumerate(counts):
                if found[name, label] != count:
                    where = f"{name}, class {manifest.classes[label]}"
                    fault = f"{where}: {found[name, label]} {what}, expected {count}"
                    yield Fault(SAMPLES_FILE, fault)


def _check_names(manifest: Manifest, rows: Sequence[ViewRow]) -> Iterator[Fault]:
    """Every view is in a shard that the manifest lists, once."""
    if manifest.options["format"] != "tar":
        return  # rows name files
    views = Counter(row.shard for row in rows)
    listed = Counter(shard.name for shard in manifest.shards)
    for name in sorted(name for name, times in listed.items() if times > 1):
        yield Fault(MANIFEST_FILE, f"lists {name} {listed[name]} times")
    for name in sorted(set(views) - set(listed)):
        yield Fault(name, f"holds {views[name]} views, but the manifest doesn't list it")


def _check_samples(manifest: Manifest, rows: Sequence[ViewRow]) -> Iterator[Fault]:
    """Laws 3 and 4, row by row: keys, labels, splits and seeds are what they must be."""
    run_seed = int(manifest.options["seed"])
    split_of: dict[str, str] = {}
    for row in rows:
        where = f"{row.key}, copy {row.copy}"
        if row.split not in SPLITS:
            yield Fault(where, f"unknown split '{row.split}'")
        if split_of.setdefault(row.key, row.split) != row.split:
            yield Fault(where, f"is in {row.split} and in {split_of[row.key]}: splits must not mix")
        if row.split != "train" and row.copy != 0:
            yield Fault(where, f"an augmented copy in {row.split}: only training data may be")
        if sample_key(row.source) != row.key:
            yield Fault(where, f"is not the key of {row.source}")
        if not 0 <= row.label < len(manifest.classes):
            yield Fault(where, f"label {row.label} is outside the {len(manifest.classes)} classes")
        elif manifest.classes[row.label] != row.class_name:
            yield Fault(where, f"class '{row.class_name}' is not that of label {row.label}")
        seed = view_seed(run_seed, row.key, row.copy) if row.copy else 0
        if row.seed != f"{seed:032x}":
            yield Fault(where, "the seed is not that of (run seed, key, copy)")


def _check_rounds(manifest: Manifest, rows: Sequence[ViewRow]) -> Iterator[Fault]:
    """Law 9: every round holds every training sample with that round's copies, once each."""
    keys = {row.key: row.label for row in rows if row.split == "train"}
    seen = Counter((row.round, row.key, row.copy) for row in rows if row.split == "train")
    for (number, key, copy), times in seen.items():
        if times != 1:
            yield Fault(f"round {number}", f"copy {copy} of {key} comes {times} times")
        if number >= manifest.rounds:
            yield Fault(f"round {number}", f"there are only {manifest.rounds} rounds")
    repeats_of = {
        key: manifest.repeats[label].of(key)
        for key, label in sorted(keys.items())
        if 0 <= label < len(manifest.repeats)
    }
    views = sum(repeats_of.values()) * manifest.rounds
    if views > sum(seen.values()) + manifest.samples.rows:  # not to be counted out one by one
        yield Fault(MANIFEST_FILE, f"its rounds and repeats make {views} views of train")
        return
    expected: set[tuple[int, str, int]] = set()
    for key, repeats in repeats_of.items():
        for number in range(manifest.rounds):
            copies = copies_of_round(number, repeats, manifest.originals)
            expected |= {(number, key, copy) for copy in copies}
    for number, key, copy in sorted(expected - set(seen)):
        yield Fault(f"round {number}", f"copy {copy} of {key} is missing")
    for number, key, copy in sorted(set(seen) - expected):
        yield Fault(f"round {number}", f"{key}: copy {copy} does not belong there")
    for row in rows:
        if row.split != "train" and (row.round, row.copy) != (0, 0):
            yield Fault(f"round {row.round}", f"{row.key}: copy {row.copy}, expected 0 of round 0")
