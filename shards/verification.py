"""`augcli verify`: every law that a manifest can prove, proved; the rest as a list of faults."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augcli.manifests.errors import AugcliError
from augcli.manifests.hashing import sha256_bytes, sha256_file, view_seed
from augcli.manifests.keys import sample_key, view_name
from augcli.manifests.manifest import (
    CARD_FILE,
    FAILURES_FILE,
    MANIFEST_FILE,
    PREVIEW_FILE,
    SAMPLES_FILE,
    SHARDS_FOLDER,
    Manifest,
    ShardRecord,
    read_manifest,
)
from augcli.manifests.reference import SPLITS
from augcli.manifests.rounds import copy_of_round
from augcli.manifests.samples import ViewRow, read_samples, rows_of
from augcli.shards.reader import map_file, members

Report = Callable[[int, int], None]

EXPECTED_FILES = (CARD_FILE, FAILURES_FILE, MANIFEST_FILE, PREVIEW_FILE, SAMPLES_FILE)
MEMBERS_PER_VIEW = 3


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not as the manifest says: where, and what."""

    where: str
    what: str


@dataclass(frozen=True)
class Verification:
    """The outcome: no faults means that every check below was made and held."""

    dataset: Path
    shards: int
    views: int
    faults: tuple[Fault, ...]

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            "dataset": str(self.dataset),
            "ok": not self.faults,
            "shards": self.shards,
            "views": self.views,
            "faults": [{"where": fault.where, "what": fault.what} for fault in self.faults],
        }


def verify(dataset: Path, report: Report | None = None) -> Verification:
    """Check an expanded dataset against its manifest: bytes, counts, splits, rounds and seeds.

    Raises:
        AugcliError: there is no readable manifest or table of samples to check against.
    """
    manifest = read_manifest(dataset)
    faults = list(_check_files(dataset, manifest))
    rows = rows_of(read_samples(dataset / SAMPLES_FILE))
    faults += _check_counts(manifest, rows)
    faults += _check_samples(manifest, rows)
    faults += _check_rounds(manifest, rows)
    by_shard = defaultdict(list)
    for row in rows:
        by_shard[row.shard].append(row)
    faults += _check_names(manifest, by_shard)
    for number, shard in enumerate(manifest.shards):
        faults += _check_shard(dataset, shard, by_shard[shard.name])
        if report is not None:
            report(number + 1, len(manifest.shards))
    return Verification(dataset, len(manifest.shards), len(rows), tuple(faults))


def _check_files(dataset: Path, manifest: Manifest) -> Iterator[Fault]:
    """Every file there, none too many, the tables with the hashes that the manifest holds."""
    for record in (manifest.samples, manifest.failures):
        path = dataset / Path(record.file).name
        if path.is_file() and sha256_file(path) != record.sha256:
            yield Fault(record.file, "its bytes are not those that the manifest records")
    expected = {*EXPECTED_FILES, SHARDS_FOLDER}
    yield from _compare_names("", expected, (entry.name for entry in dataset.iterdir()))
    folder = dataset / SHARDS_FOLDER
    if folder.is_dir():
        names = {shard.name for shard in manifest.shards}
        yield from _compare_names(
            f"{SHARDS_FOLDER}/", names, (entry.name for entry in folder.iterdir())
        )


def _compare_names(prefix: str, expected: set[str], present: Iterable[str]) -> Iterator[Fault]:
    found = set(present)
    for name in sorted(expected - found):
        yield Fault(prefix + name, "is missing")
    for name in sorted(found - expected):
        yield Fault(prefix + name, "does not belong to the dataset")


def _check_counts(manifest: Manifest, rows: list[ViewRow]) -> Iterator[Fault]:
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
    for name, split in manifest.splits.items():
        if split.views != views[name]:
            yield Fault(SAMPLES_FILE, f"{views[name]} views of {name}, expected {split.views}")
        if split.samples != sum(split.per_class):
            yield Fault(MANIFEST_FILE, f"{name}: its samples are not the sum over its classes")
        for label, count in enumerate(split.per_class):
            if first_round[name, label] != count:
                where = f"{name}, class {manifest.classes[label]}"
                yield Fault(SAMPLES_FILE, f"{where}: {first_round[name, label]}, expected {count}")


def _check_names(manifest: Manifest, by_shard: Mapping[str, list[ViewRow]]) -> Iterator[Fault]:
    """Every view is in a shard that the manifest lists, once."""
    listed = Counter(shard.name for shard in manifest.shards)
    for name in sorted(name for name, times in listed.items() if times > 1):
        yield Fault(MANIFEST_FILE, f"lists {name} {listed[name]} times")
    for name in sorted(set(by_shard) - set(listed)):
        yield Fault(name, f"holds {len(by_shard[name])} views, but the manifest doesn't list it")


def _check_samples(manifest: Manifest, rows: list[ViewRow]) -> Iterator[Fault]:
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


def _check_rounds(manifest: Manifest, rows: list[ViewRow]) -> Iterator[Fault]:
    """Law 9: every round holds every training sample once, with that round's copy."""
    keys = {row.key for row in rows if row.split == "train"}
    seen = Counter((row.round, row.key) for row in rows if row.split == "train")
    for (number, key), times in seen.items():
        if times != 1:
            yield Fault(f"round {number}", f"{key} comes {times} times")
        if number >= manifest.rounds:
            yield Fault(f"round {number}", f"there are only {manifest.rounds} rounds")
    for number in range(manifest.rounds):
        for key in sorted(key for key in keys if not seen[number, key]):
            yield Fault(f"round {number}", f"{key} is missing")
    for row in rows:
        expected = copy_of_round(row.round, manifest.originals) if row.split == "train" else 0
        if row.copy != expected:
            yield Fault(f"round {row.round}", f"{row.key}: copy {row.copy}, expected {expected}")


def _check_shard(dataset: Path, shard: ShardRecord, rows: list[ViewRow]) -> Iterator[Fault]:
    """Laws 5 and 6: the tar's bytes, headers, order and members, against record and rows."""
    where = f"{SHARDS_FOLDER}/{shard.name}"
    path = dataset / SHARDS_FOLDER / shard.name
    if not path.is_file():
        return  # already reported as missing
    if path.stat().st_size != shard.bytes:
        yield Fault(where, f"{path.stat().st_size} bytes, expected {shard.bytes}")
        return
    if any((row.split, row.round) != (shard.split, shard.round) for row in rows):
        yield Fault(
            where, f"holds views of another split or round than {shard.split}, {shard.round}"
        )
    if len(rows) != shard.samples:
        yield Fault(where, f"{len(rows)} rows in {SAMPLES_FILE}, expected {shard.samples}")
    try:
        with map_file(path) as mapped:
            if sha256_bytes(memoryview(mapped)) != shard.sha256:
                yield Fault(where, "its bytes are not those that the manifest records")
            found = list(members(mapped))
            ordered = sorted(rows, key=lambda row: row.offset)
            yield from _check_members(where, found, ordered, mapped)
    except AugcliError as error:
        yield Fault(where, str(error))


def _check_members(
    where: str, found: list[Any], rows: list[ViewRow], mapped: Any
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


def _content(mapped: Any, member: Any) -> bytes:
    content: bytes = mapped[member.offset : member.offset + member.size]
    return content


def failures_of(dataset: Path) -> list[dict[str, str]]:
    """The rows of `failures.jsonl`: the inputs that were not used, with reasons.

    Raises:
        AugcliError: missing or torn.
    """
    path = dataset / FAILURES_FILE
    try:
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise AugcliError(f"{path}: can't be read: {error}") from error
