"""The end of an expansion: records become the dataset's files, the manifest last."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from augcli.augment.card import dataset_card
from augcli.augment.choosing import read_samples
from augcli.augment.identity import Identity
from augcli.augment.panels import headings, views_of
from augcli.augment.plan import Plan, Task
from augcli.augment.sheet import SheetRow, draw_sheet
from augcli.augment.task import Job, TaskRecord, read_record
from augcli.augment.views import ViewMaker
from augcli.manifests.errors import AugcliError
from augcli.manifests.files import write_atomic
from augcli.manifests.hashing import sha256_bytes, sha256_file
from augcli.manifests.manifest import (
    CARD_FILE,
    FAILURES_FILE,
    PREVIEW_FILE,
    SAMPLES_FILE,
    FileRecord,
    Manifest,
    ReferenceRecord,
    ShardRecord,
    SplitRecord,
)
from augcli.manifests.reference import SPLITS, Failure, Reference, Sample
from augcli.manifests.samples import ViewRow, find_leaks, write_samples

PREVIEW_ROWS, PREVIEW_COPIES = 6, 7  # at most


class _Totals:
    """What the records add up to; fed record by record, so that memory stays flat."""

    def __init__(self, classes: int) -> None:
        self.shards: list[ShardRecord] = []
        self.failures: list[Failure] = []
        self.blank: list[str] = []
        self.image_bytes = 0
        self.views: Counter[str] = Counter()
        self.samples: dict[str, list[int]] = {split: [0] * classes for split in SPLITS}
        self.shown: dict[int, Sample] = {}

    def add(self, task: Task, record: TaskRecord) -> None:
        self.shards += record.shards
        if task.first:  # every task of a chunk meets the same failures
            self.failures += record.failures
            self.blank += record.blank
        for row in record.rows:
            self.views[row.split] += 1
            self.image_bytes += row.length
            if row.round == 0:
                self._add_sample(row)

    def _add_sample(self, row: ViewRow) -> None:
        self.samples[row.split][row.label] += 1
        if row.split == "train":
            sample = Sample(row.key, row.source, row.split, row.label)
            self.shown.setdefault(row.label, sample)


def finish(job: Job, plan: Plan, reference: Reference, identity: Identity) -> None:
    """Write samples, failures, preview, card and manifest from the records of all tasks.

    Raises:
        AugcliError: nothing to train on is left, or a file can't be written.
    """
    totals = _Totals(len(reference.classes))
    try:
        samples = _write_samples(job, plan, totals)
        _check_usable(reference, totals)
        failures = _write_failures(job, [*reference.skipped, *totals.failures])
        manifest = _manifest(job, plan, reference, identity, totals, samples, failures)
        pages = {
            PREVIEW_FILE: _preview(job, identity, reference, totals),
            CARD_FILE: dataset_card(manifest).encode(),
        }
        for name, content in pages.items():
            write_atomic(job.dataset / name, content)
        hashes = {name: sha256_bytes(content) for name, content in sorted(pages.items())}
        replace(manifest, pages=hashes).write(job.dataset)
    except OSError as error:
        raise AugcliError(f"{job.dataset}: can't be written: {error.strerror}") from error


def _write_samples(job: Job, plan: Plan, totals: _Totals) -> FileRecord:
    def groups() -> Iterator[tuple[ViewRow, ...]]:
        for task in plan.tasks:
            record = read_record(job.record_path(task))
            if record is None:
                raise AugcliError(f"{job.record_path(task)}: vanished; run the expansion again")
            totals.add(task, record)
            yield record.rows

    path = job.dataset / SAMPLES_FILE
    count = write_samples(path, groups())
    return _file_record(path, count)


def _write_failures(job: Job, failures: list[Failure]) -> FileRecord:
    path = job.dataset / FAILURES_FILE
    ordered = sorted(failures, key=lambda failure: failure.source)
    lines = [json.dumps(asdict(failure), ensure_ascii=False) + "\n" for failure in ordered]
    write_atomic(path, "".join(lines))
    return _file_record(path, len(lines))


def _file_record(path: Path, rows: int) -> FileRecord:
    return FileRecord(path.name, rows, sha256_file(path))


def _check_usable(reference: Reference, totals: _Totals) -> None:
    counts = zip(reference.classes, totals.samples["train"], strict=True)
    empty = [name for name, count in counts if not count]
    if empty:
        first = totals.failures[0] if totals.failures else None
        reason = f" (first failure: {first.source}: {first.reason})" if first else ""
        raise AugcliError(
            f"no usable training image is left for: {', '.join(empty)}{reason}; mend those "
            "images and run it again, or remove the classes and expand into another folder"
        )


def _manifest(
    job: Job,
    plan: Plan,
    reference: Reference,
    identity: Identity,
    totals: _Totals,
    samples: FileRecord,
    failures: FileRecord,
) -> Manifest:
    splits = {
        split: SplitRecord(
            samples=sum(totals.samples[split]),
            views=totals.views[split],
            per_class=tuple(totals.samples[split]),
        )
        for split in SPLITS
    }
    used = sum(record.samples for record in splits.values())
    return Manifest(
        options=identity.options,
        policy=identity.policy,
        versions=identity.versions,
        reference=ReferenceRecord(
            name=reference.name,
            spec=reference.spec,
            fingerprint=identity.fingerprint,
            inputs=used + failures.rows,
            used=used,
            failures=failures.rows,
            blank=tuple(sorted(totals.blank)),
            leaks=tuple(sorted(find_leaks(job.dataset / SAMPLES_FILE))),
        ),
        classes=reference.classes,
        rounds=plan.rounds,
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


def _preview(job: Job, identity: Identity, reference: Reference, totals: _Totals) -> bytes:
    """Originals beside the stored copies (made anew: the stored ones may be compressed)."""
    maker = ViewMaker(job.recipe)
    copies = min(PREVIEW_COPIES, identity.options["copies"])
    shown = [totals.shown[label] for label in sorted(totals.shown)][:PREVIEW_ROWS]
    rows = [
        SheetRow(reference.classes[sample.label], "", views_of(maker, sample, fitted, copies))
        for sample, fitted in read_samples(reference, shown, maker, PREVIEW_ROWS)
    ]
    return draw_sheet(f"{reference.name}: {job.recipe.policy.name}", headings(copies), rows)
