"""The dataset that an expansion finds in its folder: what of it stays, and what has to be made.

A finished dataset grows by rounds (more copies) and by chunks (new images); what is there stays as
it is, byte for byte. Images that are gone or changed stop the run, unless it is told to prune or to
refresh: then the chunks that held them are made again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, compress, repeat
from pathlib import Path
from typing import Any

import numpy as np

from augcli.augment.plan import Placed, RoundShard, Task
from augcli.augment.stored_images import StoredImages, StoredRow
from augcli.augment.stored_rows import StoredRows
from augcli.augment.stores import store_named
from augcli.manifests.arrays import as_list
from augcli.manifests.errors import AugcliError
from augcli.manifests.hashing import sha256_if_readable
from augcli.manifests.lookup import NOWHERE, Lookup
from augcli.manifests.manifest import (
    FAILURES_FILE,
    SAMPLES_FILE,
    Manifest,
    ShardRecord,
    read_manifest,
)
from augcli.manifests.reading import parse_json
from augcli.manifests.reference import Failure, Reference
from augcli.manifests.sample_list import SPLITS, Sample, Samples
from augcli.manifests.samples import Columns
from augcli.manifests.samples_file import SamplesFile
from augcli.manifests.threads import in_threads

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
    def images(self) -> StoredImages:
        """What it was made from, but for what failed.

        Raises:
            AugcliError: the table holds what augcli never writes.
        """
        table = self._records / SAMPLES_FILE
        try:
            found = StoredImages(self._image_rows())
        except (KeyError, ValueError) as error:
            raise AugcliError(f"{table}: not a table of augcli's: {error}; expand again") from error
        if not found.samples:
            raise AugcliError(f"{table}: not the rows of its manifest")
        return found

    @cached_property
    def unusable(self) -> Mapping[str, Failure]:
        """By source, what was tried and failed."""
        return {failure.source: failure for failure in self.failures if failure.tried}

    def placed(self, samples: Samples) -> Placed:
        """Where these samples are."""
        before = self.images
        numbers = before.by_key.places(samples.keys)
        is_there = (numbers != NOWHERE) & (before.samples.splits[numbers] == samples.splits)
        free = dict.fromkeys(SPLITS, 0)
        for shard in self.manifest.shards:
            free[shard.split] = max(free.get(shard.split, 0), shard.chunk + 1)
        return Placed(np.where(is_there, before.chunks[numbers], NOWHERE), free)

    def known(self, sources: Sequence[str]) -> frozenset[str]:
        """Those of `sources` that it was made from, or that failed."""
        there = self.images.by_source.places(sources) != NOWHERE
        failed = (source in self.unusable for source in sources)
        return frozenset((*compress(sources, there), *compress(sources, failed)))

    def changes(self, reference: Reference) -> Changes:
        """Hold all images against the hashes that they had."""
        before, now = self.images, reference.samples
        numbers = before.by_source.places(now.sources)
        is_there = numbers != NOWHERE
        differs = before.samples.splits[numbers] != now.splits
        differs |= before.samples.labels[numbers] != now.labels
        gone = Lookup(now.sources).places(before.samples.sources) == NOWHERE
        new = list(now.where(~is_there).sources)
        failed = self.unusable.keys() & set(new)
        there = zip(now.where(is_there).sources, numbers[is_there], strict=True)

        def is_other(source: str, digest: str) -> bool:
            return sha256_if_readable(reference.root / source) != digest

        return Changes(
            added=_ordered(source for source in new if source not in failed),
            removed=_ordered((*before.samples.where(gone).sources, *self.unusable.keys() - failed)),
            changed=_ordered(source for source, n in there if is_other(source, before.sha256(n))),
            moved=_ordered(now.where(is_there & differs).sources),
            mended=_ordered(s for s in failed if is_other(s, self.unusable[s].sha256)),
        )

    def kept(self, task: Task, changes: Changes) -> tuple[RoundShard, ...]:
        """Those shards of a task that stay as they are: whole, and of the same images."""
        return tuple(shard for shard in task.shards if self._stays(shard, task, changes))

    def rows(self, shard: str) -> Columns:
        """The rows of a shard."""
        return self._rows.columns(shard)

    def record(self, shard: str) -> ShardRecord:
        """The record of a shard."""
        return self._shards[shard]

    def close(self) -> None:
        """Let go of the table; it is opened again when it is needed."""
        if rows := self.__dict__.pop("_rows", None):
            rows.close()

    @cached_property
    def _rows(self) -> StoredRows:
        return StoredRows(self._records / SAMPLES_FILE, self.manifest)

    def _image_rows(self) -> Iterator[StoredRow]:
        """The rows of round 0, which has every image."""
        first_round = (shard for shard in self.manifest.shards if shard.round == 0)
        chunks = chain.from_iterable(repeat(shard.chunk, shard.views) for shard in first_round)
        names = ("key", "source", "split", "label", "source_sha256")
        with closing(SamplesFile(self._records / SAMPLES_FILE, round=0)) as table:
            for parts in zip(*(table.parts(name) for name in names), strict=True):
                for *sample, sha256, chunk in zip(*map(as_list, parts), chunks, strict=False):
                    yield StoredRow(Sample(*sample), sha256, chunk)

    @cached_property
    def _shards(self) -> Mapping[str, ShardRecord]:
        return {shard.name: shard for shard in self.manifest.shards}

    def _stays(self, shard: RoundShard, task: Task, changes: Changes) -> bool:
        record = self._shards.get(shard.name)
        if record is None or shard.name not in self._there:
            return False
        keys: dict[Any, None] = dict.fromkeys(self._rows.column(shard.name, "key"))
        if list(keys) != list(task.samples.keys):
            return False
        other = {*changes.changed, *changes.moved}
        return other.isdisjoint(task.samples.sources)

    @cached_property
    def _there(self) -> frozenset[str]:
        """The shards that are as they are recorded."""
        shards = self.manifest.shards
        found = in_threads(self._is_there, shards, self._store.at_once)
        return frozenset(shard.name for shard, there in zip(shards, found, strict=True) if there)

    def _is_there(self, record: ShardRecord) -> bool:
        def files() -> list[tuple[str, int]]:
            columns = (self._rows.column(record.name, name) for name in ("shard", "length"))
            return list(zip(*columns, strict=True))

        asked = self._store.holds if self._thorough else self._store.is_there
        return asked(self._dataset, record, files)


def _ordered(sources: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(sources))


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
) -> tuple[Samples, tuple[Failure, ...]]:
    """The samples to expand, and those that failed before and are left alone."""
    if retry_failed:
        return reference.samples, ()
    failed = earlier.unusable
    there = failed.keys() & set(reference.samples.sources) if failed else failed.keys()
    left_alone = tuple(failure for source, failure in failed.items() if source in there)
    return reference.samples.without(there), left_alone


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
