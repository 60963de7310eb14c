"""The work of one task: read, decode once, augment, encode, write; then the record of it.

A worker does all of it by itself and returns only counts: pixels never cross processes.
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from augcli.augment.decode import DecodeError, Pixels
from augcli.augment.encode import Codec, codec_named
from augcli.augment.plan import RoundShard, Task
from augcli.augment.views import Recipe, View, ViewMaker
from augcli.manifests.errors import AugcliError
from augcli.manifests.files import write_atomic
from augcli.manifests.hashing import sha256_bytes
from augcli.manifests.keys import view_name
from augcli.manifests.manifest import SHARDS_FOLDER, WORK_FOLDER, ShardRecord
from augcli.manifests.reference import Failure, Sample
from augcli.manifests.samples import ViewRow
from augcli.shards.writer import ShardWriter

ABSENT = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
"""What is wrong with one input; any other OSError is the machine's trouble and ends the task."""


@dataclass(frozen=True)
class Job:
    """What all tasks of an expansion share. Hashable, and cheap to send to workers."""

    dataset: Path
    root: Path
    classes: tuple[str, ...]
    recipe: Recipe
    codec: str
    quality: int
    fail_on_error: bool

    def record_path(self, task: Task) -> Path:
        """Where the record of a finished task is kept until the manifest is written."""
        return self.dataset / WORK_FOLDER / f"{task.name}.json"


@dataclass(frozen=True)
class TaskRecord:
    """What a task made: its published shards, a row per view, and the inputs not used.

    `blank` lists sources whose fitted image has a single colour: used, but worth a look.
    """

    shards: tuple[ShardRecord, ...]
    rows: tuple[ViewRow, ...]
    failures: tuple[Failure, ...]
    blank: tuple[str, ...]

    def to_json(self) -> str:
        """The text of the record file."""
        return json.dumps(asdict(self), ensure_ascii=False)


def read_record(path: Path) -> TaskRecord | None:
    """The record of a finished task, or None when there is none (or a torn one)."""
    try:
        content = json.loads(path.read_bytes())
        return TaskRecord(
            shards=tuple(ShardRecord(**shard) for shard in content["shards"]),
            rows=tuple(ViewRow(**row) for row in content["rows"]),
            failures=tuple(Failure(**failure) for failure in content["failures"]),
            blank=tuple(content["blank"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True)
class TaskSummary:
    """What a worker reports: views made, and images that failed."""

    views: int
    failures: int


def run_task(job: Job, task: Task) -> TaskSummary:
    """Make and publish a task's shards, then its record.

    Raises:
        AugcliError: an unusable image under `fail_on_error`, or a file that can't be written.
    """
    try:
        with ExitStack() as stack:
            writers = [stack.enter_context(_open_shard(job, shard)) for shard in task.shards]
            record = _write_views(job, task, writers)
        write_atomic(job.record_path(task), record.to_json())
    except OSError as error:
        raise AugcliError(
            f"{error.filename or job.dataset}: {error.strerror or error}; nothing finished is "
            "lost: mend that (room, permission, open files) and run it again"
        ) from error
    return TaskSummary(len(record.rows), len(record.failures) if task.first else 0)


def _open_shard(job: Job, shard: RoundShard) -> ShardWriter:
    temporary = job.dataset / WORK_FOLDER / f"{shard.name}.{os.getpid()}.tmp"
    return ShardWriter(job.dataset / SHARDS_FOLDER / shard.name, temporary)


@lru_cache(maxsize=2)
def _maker(recipe: Recipe) -> ViewMaker:
    """One maker per process: building a policy takes longer than many views."""
    return ViewMaker(recipe)


def _write_views(job: Job, task: Task, writers: list[ShardWriter]) -> TaskRecord:
    maker, codec = _maker(job.recipe), codec_named(job.codec)
    rows: list[ViewRow] = []
    failures: list[Failure] = []
    blank: list[str] = []
    for sample in task.samples:
        try:
            data = _read(job, sample)
            fitted = maker.fitted(data)
        except DecodeError as error:
            _fail(job, failures, Failure(sample.source, str(error), sha256_bytes(data)))
            continue
        except ABSENT as error:
            _fail(job, failures, Failure(sample.source, error.strerror or "can't be read"))
            continue
        if is_blank(fitted):
            blank.append(sample.source)
        digest = sha256_bytes(data)
        for shard, writer in zip(task.shards, writers, strict=True):
            view = _make_view(job, maker, fitted, sample, shard.copy)
            rows.append(_write_view(job, sample, digest, shard, writer, codec, view))
    shards = tuple(
        _publish(task, shard, writer)
        for shard, writer in zip(task.shards, writers, strict=True)
        if writer.samples
    )
    rows.sort(key=lambda row: (row.shard, row.offset))
    return TaskRecord(shards, tuple(rows), tuple(failures), tuple(blank))


def _read(job: Job, sample: Sample) -> bytes:
    return (job.root / sample.source).read_bytes()


def _fail(job: Job, failures: list[Failure], failure: Failure) -> None:
    if job.fail_on_error:
        raise AugcliError(
            f"{job.root / failure.source}: {failure.reason}; mend or remove it, or leave such "
            "images out with --on-error skip"
        )
    failures.append(failure)


def _make_view(job: Job, maker: ViewMaker, fitted: Pixels, sample: Sample, copy: int) -> View:
    try:
        return maker.view(fitted, sample.key, copy)
    except (AugcliError, MemoryError):
        raise
    except Exception as error:  # a third party's transform that can't take this image
        raise AugcliError(
            f"{job.root / sample.source}: the policy fails on copy {copy}: {error!r}; "
            "take the transform out that does, or this image"
        ) from error


def is_blank(image: Pixels) -> bool:
    """Whether all pixels have the same colour."""
    return bool(np.all(image == image[0, 0]))


def _write_view(
    job: Job,
    sample: Sample,
    digest: str,
    shard: RoundShard,
    writer: ShardWriter,
    codec: Codec,
    view: View,
) -> ViewRow:
    encoded = codec.encode(view.pixels, job.quality)
    row = ViewRow(
        key=sample.key,
        source=sample.source,
        source_sha256=digest,
        split=sample.split,
        class_name=job.classes[sample.label],
        label=sample.label,
        copy=shard.copy,
        round=shard.round,
        seed=f"{view.seed:032x}",
        shard=shard.name,
        offset=writer.next_content,
        length=len(encoded),
        applied=json.dumps(view.applied),
    )
    members = {codec.extension: encoded, "cls": b"%d" % row.label, "json": row.member_json()}
    writer.write(view_name(row.key, row.copy), members)
    return row


def _publish(task: Task, shard: RoundShard, writer: ShardWriter) -> ShardRecord:
    writer.publish()
    return ShardRecord(
        name=shard.name,
        split=task.split,
        round=shard.round,
        chunk=task.chunk,
        samples=writer.samples,
        bytes=writer.bytes,
        sha256=writer.sha256,
    )
