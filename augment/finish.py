"""The end of an expansion: records become the dataset's files, the manifest last."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from augcli.augment.card import dataset_card
from augcli.augment.indexes import index_pages
from augcli.augment.preparing import Filling, Prepared
from augcli.augment.task import TaskRecord, read_record
from augcli.augment.totals import Totals
from augcli.manifests.errors import AugcliError
from augcli.manifests.files import publish, write_atomic
from augcli.manifests.hashing import sha256_bytes, sha256_file
from augcli.manifests.manifest import (
    CARD_FILE,
    FAILURES_FILE,
    PREVIEW_FILE,
    SAMPLES_FILE,
    WORK_FOLDER,
    FileRecord,
    Manifest,
    ReferenceRecord,
    ShardRecord,
    SplitRecord,
)
from augcli.manifests.reference import Reference
from augcli.manifests.sample_list import SPLITS
from augcli.manifests.samples import SCHEMA_NAMES, Columns, joined, write_samples

MIN_USABLE = 0.1  # below this part of the images, something is wrong with all of them


def finish(prepared: Prepared, picture: bytes | None) -> None:
    """Write samples, failures, card, indexes and manifest from the records of all tasks.

    `picture` is the preview (None: there was nothing to show).

    Everything is made before the earlier dataset is touched: it stays valid until its files are
    replaced, one after the other, and for good when there is nothing to train on.

    Raises:
        AugcliError: nothing to train on is left, or a file can't be written.
    """
    dataset = prepared.folder.path
    totals = Totals(len(prepared.reference.classes))
    totals.failures += [*prepared.reference.skipped, *prepared.failed_before]
    try:
        staged = dataset / WORK_FOLDER / SAMPLES_FILE
        samples = _write_samples(prepared, staged, totals)
        if prepared.earlier is not None:
            prepared.earlier.close()  # its files are to be replaced
        _check_usable(prepared.reference, totals)
        assert picture is not None  # else no image was usable
        failures = _failures(totals)
        failed = FileRecord(FAILURES_FILE, len(totals.failures), sha256_bytes(failures))
        manifest = _manifest(prepared, totals, samples, failed)
        pages = {
            PREVIEW_FILE: picture,
            CARD_FILE: dataset_card(manifest).encode(),
            **index_pages(manifest),
        }
        prepared.folder.withdraw()
        publish(staged, dataset / SAMPLES_FILE)
        for name, content in {FAILURES_FILE: failures, **pages}.items():
            write_atomic(dataset / name, content)
        prepared.folder.make_class_folders(manifest)
        prepared.folder.remove_strays(manifest)
        hashes = {name: sha256_bytes(content) for name, content in sorted(pages.items())}
        prepared.folder.publish(replace(manifest, pages=hashes))
    except OSError as error:
        raise AugcliError(
            f"{error.filename or dataset}: can't be written: {error.strerror or error}; nothing "
            "finished is lost: mend that (room, permission) and run it again"
        ) from error


def _write_samples(prepared: Prepared, path: Path, totals: Totals) -> FileRecord:
    def groups() -> Iterator[Columns]:
        for filling in prepared.fillings:
            shards, columns = _gathered(prepared, filling, totals)
            totals.add(shards, columns)
            yield columns

    count = write_samples(path, groups())
    return FileRecord(path.name, count, sha256_file(path))


def _gathered(
    prepared: Prepared, filling: Filling, totals: Totals
) -> tuple[tuple[ShardRecord, ...], Columns]:
    """The records and rows of a task's shards, those that were kept and those that were made."""
    parts: dict[str, tuple[ShardRecord, Columns]] = {}
    if filling.missing is not None:
        path = prepared.job.record_path(filling.missing)
        record = read_record(path)
        if record is None:
            raise AugcliError(f"{path}: vanished; run the expansion again")
        parts |= {shard.name: (shard, rows) for shard, rows in _by_shard(record)}
        if filling.missing.first:  # every task of a chunk meets the same failures
            totals.failures += record.failures
            totals.blank |= set(record.blank)
        elif record.failures and filling.kept:
            failure = record.failures[0]
            raise AugcliError(
                f"{prepared.reference.root / failure.source}: {failure.reason}, and it is in the "
                "dataset already: mend it, or expand into another folder"
            )
    if prepared.earlier is not None:
        for shard in filling.kept:
            record_of = prepared.earlier.record(shard.name)
            parts[shard.name] = record_of, prepared.earlier.rows(shard.name)
        if any(shard.round == 0 for shard in filling.kept):  # else its images are looked at anew
            blank = set(prepared.earlier.manifest.reference.blank)
            totals.blank |= blank.intersection(filling.task.samples.sources)
    ordered = [parts[shard.name] for shard in filling.task.shards if shard.name in parts]
    return tuple(shard for shard, _ in ordered), joined([rows for _, rows in ordered])


def _by_shard(record: TaskRecord) -> Iterator[tuple[ShardRecord, Columns]]:
    first = 0
    for shard in record.shards:
        part = slice(first, first + shard.views)
        yield shard, {name: record.columns[name][part] for name in SCHEMA_NAMES}
        first += shard.views


def _failures(totals: Totals) -> bytes:
    ordered = sorted(totals.failures, key=lambda failure: failure.source)
    lines = [json.dumps(asdict(failure), ensure_ascii=False) + "\n" for failure in ordered]
    return "".join(lines).encode()


def _check_usable(reference: Reference, totals: Totals) -> None:
    """A dataset that no one can train on is worse than none.

    Raises:
        AugcliError: a class without a usable training image, or hardly any usable image at all.
    """
    skipped = set(reference.skipped)
    tried = [failure for failure in totals.failures if failure not in skipped]
    tried.sort(key=lambda failure: failure.source)
    first = f" (first failure: {tried[0].source}: {tried[0].reason})" if tried else ""
    counts = zip(reference.classes, totals.samples["train"], strict=True)
    empty = [name for name, count in counts if not count]
    if empty:
        raise AugcliError(
            f"no usable training image is left for: {', '.join(empty)}{first}; mend those "
            "images and run it again, or remove the classes and expand into another folder"
        )
    used = sum(map(sum, totals.samples.values()))
    if used < MIN_USABLE * (used + len(tried)):
        raise AugcliError(
            f"only {used} of {used + len(tried)} images can be used{first}; something is wrong "
            "with all of them: mend them and run it again"
        )


def _manifest(
    prepared: Prepared, totals: Totals, samples: FileRecord, failures: FileRecord
) -> Manifest:
    reference, identity = prepared.reference, prepared.identity
    splits = {
        split: SplitRecord(
            samples=sum(totals.samples[split]),
            views=totals.views[split],
            per_class=tuple(totals.samples[split]),
            views_per_class=tuple(totals.first_round[split]),
        )
        for split in SPLITS
    }
    used = sum(record.samples for record in splits.values())
    return Manifest(
        options=identity.options,
        policy=identity.policy,
        class_policies=identity.class_policies,
        versions=identity.versions,
        reference=ReferenceRecord(
            name=reference.name,
            spec=reference.spec,
            fingerprint=identity.fingerprint,
            inputs=used + failures.rows,
            used=used,
            failures=failures.rows,
            blank=tuple(sorted(totals.blank)),
            leaks=tuple(totals.leaks()),
        ),
        classes=reference.classes,
        repeats=prepared.repeats,
        rounds=prepared.plan.rounds,
        splits=splits,
        bytes={
            "images": totals.image_bytes,
            "shards": sum(shard.bytes for shard in totals.shards),
        },
        samples=samples,
        failures=failures,
        pages={},
        shards=tuple(totals.shards),
    )
