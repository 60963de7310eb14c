"""The dataset that an expansion finds in its folder: what of it stays, and what has to be made.

A finished dataset grows by rounds (more copies) and by chunks (new images); what is there stays as
it is, byte for byte. Images that are gone or changed stop the run, unless it is told to prune or to
refresh: then the chunks that held them are made again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from augcli.augment.plan import ChunkOf, RoundShard, Task
from augcli.augment.stores import store_named
from augcli.manifests.errors import AugcliError
from augcli.manifests.hashing import sha256_if_readable
from augcli.manifests.manifest import (
    FAILURES_FILE,
    SAMPLES_FILE,
    Manifest,
    ShardRecord,
    read_manifest,
)
from augcli.manifests.reading import parse_json
from augcli.manifests.reference import Failure, Reference, Sample
from augcli.manifests.samples import SCHEMA_NAMES, Columns
from augcli.manifests.samples_file import read_samples
from augcli.manifests.threads import in_threads

if TYPE_CHECKING:
    import pyarrow as pa

LISTED = 10


@dataclass(frozen=True)
class Changes:
    """How the images differ from those that were expanded: sources, sorted.

    `moved` are now of another split or class, `mended` are failed images with other bytes than
    they had.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    moved: tuple[str, ...]
    mended: tuple[str, ...]


class Earlier:
    """A finished dataset: its files are in `records` (the folder, or a copy), shards in `dataset`
    or at `url`.

    `thorough`: its shards may have been replaced already, so that their hashes are compared and not
    only their sizes.

    Raises:
        AugcliError: a file of it is missing or torn.
    """

    def __init__(
        self, dataset: Path, records: Path, *, thorough: bool = False, url: str = ""
    ) -> None:
        self.manifest: Manifest = read_manifest(records)
        self.failures = read_failures(records / FAILURES_FILE)
        self._dataset = dataset
        self._records = records
        self._thorough = thorough
        self._store = store_named(str(self.manifest.options["format"]), url)

    @cached_property
    def chunk_of(self) -> ChunkOf:
        """Where each sample is."""
        return {
            key: (shard.split, shard.chunk)
            for shard in self.manifest.shards
            for key in self._column(shard, "key")
        }

    @cached_property
    def unusable(self) -> Mapping[str, Failure]:
        """By source, what was tried and failed."""
        return {failure.source: failure for failure in self.failures if failure.tried}

    @cached_property
    def sha256(self) -> Mapping[str, str]:
        """By source, the hash of each image that was expanded."""
        return dict(self._of_samples("source", "source_sha256"))

    @property
    def sources(self) -> Set[str]:
        """All images that it was made from, those that failed among them."""
        return self.sha256.keys() | self.unusable.keys()

    def changes(self, reference: Reference) -> Changes:
        """Hold all images against the hashes that they had."""
        now = {sample.source for sample in reference.samples}
        known = self.sources
        moved = [
            sample.source
            for sample in reference.samples
            if self._place_of.get(sample.source, _place(sample)) != _place(sample)
        ]
        changed = [
            source
            for source, digest in self.sha256.items()
            if source in now and sha256_if_readable(reference.root / source) != digest
        ]
        mended = [
            source
            for source, failure in self.unusable.items()
            if source in now and sha256_if_readable(reference.root / source) != failure.sha256
        ]
        return Changes(
            added=tuple(sorted(now - known)),
            removed=tuple(sorted(known - now)),
            changed=tuple(sorted(changed)),
            moved=tuple(sorted(moved)),
            mended=tuple(sorted(mended)),
        )

    @cached_property
    def _place_of(self) -> Mapping[str, tuple[str, int]]:
        """By source, the split and label of each image that was expanded."""
        places = self._of_samples("source", "split", "label")
        return {source: (split, label) for source, split, label in places}

    def kept(self, task: Task, changes: Changes) -> tuple[RoundShard, ...]:
        """Those shards of a task that stay as they are: whole, and of the same images."""
        return tuple(shard for shard in task.shards if self._stays(shard, task, changes))

    def rows(self, shard: str) -> Columns:
        """The rows of a shard."""
        record = self._shards[shard]
        return {name: self._column(record, name) for name in SCHEMA_NAMES}

    def record(self, shard: str) -> ShardRecord:
        """The record of a shard."""
        return self._shards[shard]

    @cached_property
    def _table(self) -> pa.Table:
        """All rows, shard by shard; packed, as Python's lists of them would be huge."""
        return read_samples(self._records / SAMPLES_FILE)

    def _of_samples(self, *names: str) -> Iterator[tuple[Any, ...]]:
        """Columns of the rows of round 0, which has every sample."""
        table = read_samples(self._records / SAMPLES_FILE, round=0)
        for batch in table.select(list(names)).to_batches(max_chunksize=1024):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    @cached_property
    def _shards(self) -> Mapping[str, ShardRecord]:
        return {shard.name: shard for shard in self.manifest.shards}

    @cached_property
    def _starts(self) -> Mapping[str, int]:
        starts: dict[str, int] = {}
        row = 0
        for shard in self.manifest.shards:
            starts[shard.name] = row
            row += shard.views
        if row != self._table.num_rows:
            raise AugcliError(f"{self._records / SAMPLES_FILE}: not the rows of its manifest")
        return starts

    def _column(self, shard: ShardRecord, name: str) -> list[Any]:
        first = self._starts[shard.name]
        column: list[Any] = self._table.column(name).slice(first, shard.views).to_pylist()
        return column

    def _stays(self, shard: RoundShard, task: Task, changes: Changes) -> bool:
        record = self._shards.get(shard.name)
        if record is None or shard.name not in self._there:
            return False
        keys: dict[Any, None] = dict.fromkeys(self._column(record, "key"))
        if list(keys) != [sample.key for sample in task.samples]:
            return False
        other = {*changes.changed, *changes.moved}
        return other.isdisjoint(sample.source for sample in task.samples)

    @cached_property
    def _there(self) -> frozenset[str]:
        """The shards that are as they are recorded."""
        shards = self.manifest.shards
        found = in_threads(self._is_there, shards, self._store.at_once)
        return frozenset(shard.name for shard, there in zip(shards, found, strict=True) if there)

    def _is_there(self, record: ShardRecord) -> bool:
        def files() -> list[tuple[str, int]]:
            columns = (self._column(record, name) for name in ("shard", "length"))
            return list(zip(*columns, strict=True))

        asked = self._store.holds if self._thorough else self._store.is_there
        return asked(self._dataset, record, files)


def _place(sample: Sample) -> tuple[str, int]:
    return sample.split, sample.label


def check_changes(
    changes: Changes, reference: Reference, *, prune: bool, refresh: bool, retry_failed: bool
) -> None:
    """Stop at changes that the user has not agreed to.

    Of `reference` its root and what was skipped are told.

    Raises:
        AugcliError: listing the images, and the options that would go on.
    """
    left_out = _left_out(changes, reference)
    problems: list[tuple[str, str]] = []
    options: dict[str, None] = {}
    for sources, what, agreed, option in (
        (changes.removed, "is gone", prune, "--prune (drop what is gone)"),
        (changes.changed, "has changed", refresh, "--refresh (make changed images' views anew)"),
        (
            changes.moved,
            "is now of another split or class (perhaps by --val-fraction or --test-fraction)",
            refresh,
            "--refresh (make changed images' views anew)",
        ),
        (
            changes.mended,
            "failed and has changed since",
            retry_failed,
            "--retry-failed (try failed images again)",
        ),
    ):
        if not agreed and sources:
            problems += [(source, left_out.get(source, what)) for source in sources]
            options[option] = None
    if problems:
        shown = problems[:LISTED]
        listed = "\n".join(f"  {reference.root / source}: {what}" for source, what in shown)
        more = f"\n  … and {len(problems) - LISTED} more" if len(problems) > LISTED else ""
        raise AugcliError(
            f"images that were already expanded are not what they were:\n{listed}{more}\n"
            f"put them back, go on with {', '.join(options)}, or expand into another folder"
        )


def _left_out(changes: Changes, reference: Reference) -> dict[str, str]:
    """What to tell, by source, of images that are no longer used though they are not gone."""
    removed = set(changes.removed)
    return {
        failure.source: f"is no longer used: {failure.reason}"
        for failure in reversed(reference.skipped)  # of several reasons the first
        if failure.source in removed
    }


def usable(
    reference: Reference, earlier: Earlier, retry_failed: bool
) -> tuple[tuple[Sample, ...], tuple[Failure, ...]]:
    """The samples to expand, and those that failed before and are left alone."""
    if retry_failed:
        return reference.samples, ()
    failed = earlier.unusable
    samples = tuple(sample for sample in reference.samples if sample.source not in failed)
    there = {sample.source for sample in reference.samples}
    return samples, tuple(failure for source, failure in failed.items() if source in there)


def read_failures(path: Path) -> list[Failure]:
    """The rows of `failures.jsonl`: the inputs that were not used, with reasons.

    Raises:
        AugcliError: missing or torn.
    """
    try:
        return [_failure(parse_json(line)) for line in path.read_bytes().splitlines()]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise AugcliError(f"{path}: can't be read: {error}; expand again") from error


def _failure(content: dict[str, Any]) -> Failure:
    if not all(isinstance(value, str) for value in content.values()):
        raise ValueError(f"{content!r:.200} is no failure")
    return Failure(**content)
