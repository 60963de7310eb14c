"""The work of one task: read, decode once, augment, encode, write; then the record of it.

A worker does all of it by itself and returns only counts: pixels never cross processes.
"""

from __future__ import annotations

import json
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path

from augcli.augment.decode import DecodeError
from augcli.augment.encode import Codec, codec_named
from augcli.augment.frame import Frame
from augcli.augment.plan import Task
from augcli.augment.stores import store_named
from augcli.augment.views import Recipe, ViewMaker
from augcli.manifests.errors import AugcliError
from augcli.manifests.files import replace_file
from augcli.manifests.hashing import sha256_bytes
from augcli.manifests.keys import view_name
from augcli.manifests.manifest import WORK_FOLDER, ShardRecord
from augcli.manifests.reading import parse_json
from augcli.manifests.reference import Failure
from augcli.manifests.rounds import copies_of_round
from augcli.manifests.sample_list import Sample
from augcli.manifests.samples import (
    SCHEMA_NAMES,
    Columns,
    ViewRow,
    columns_of,
    member_json,
    member_start,
)
from augcli.shards.writer import Writer

PUBLISHING_THREADS = 8
ABSENT = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
"""What is wrong with one input; any other OSError is the machine's trouble and ends the task."""


@dataclass(frozen=True)
class Job:
    """What all tasks of an expansion share. Hashable, and cheap to send to workers.

    `url` is where shards go, '' when that is the folder `dataset`; it may hold secrets.
    """

    dataset: Path
    root: Path
    classes: tuple[str, ...]
    recipe: Recipe
    codec: str
    quality: int
    originals: bool
    format: str
    fail_on_error: bool
    url: str = field(default="", repr=False)

    def record_path(self, task: Task) -> Path:
        """Where the record of a finished task is kept until the manifest is written."""
        return self.dataset / WORK_FOLDER / f"{task.name}.json"


@dataclass(frozen=True)
class TaskRecord:
    """What a task made: its published shards, a row per view, and the inputs not used.

    Rows are by shard, in the order in which they are stored. `blank` lists sources whose fitted
    image has a single colour: used, but worth a look.
    """

    shards: tuple[ShardRecord, ...]
    columns: Columns
    failures: tuple[Failure, ...]
    blank: tuple[str, ...]

    def is_of(self, task: Task) -> bool:
        """Whether this is what the task makes: its shards, of its samples as they are labelled now.

        The same images may have other labels or splits when a growth goes on that was interrupted.
        """
        failed = {failure.source for failure in self.failures}
        rows = [
            (sample.source, sample.key, sample.split, sample.label)
            for sample, repeats in zip(task.samples, task.repeats, strict=True)
            if sample.source not in failed
            for _ in range(repeats)
        ]
        columns = (self.columns[name] for name in ("source", "key", "split", "label"))
        shards = [shard.name for shard in task.shards] if rows else []
        return (
            failed <= {sample.source for sample in task.samples}
            and list(zip(*columns, strict=True)) == rows * len(task.shards)
            and [shard.name for shard in self.shards] == shards
        )

    def to_json(self) -> str:
        """The text of the record file."""
        content = {
            "shards": [asdict(shard) for shard in self.shards],
            "columns": self.columns,
            "failures": [asdict(failure) for failure in self.failures],
            "blank": self.blank,
        }
        return json.dumps(content, ensure_ascii=False)


def read_record(path: Path) -> TaskRecord | None:
    """The record of a finished task, or None when there is none (or a torn or an older one)."""
    try:
        content = parse_json(path.read_bytes())
        if set(content["columns"]) != set(SCHEMA_NAMES):
            return None
        return TaskRecord(
            shards=tuple(ShardRecord(**shard) for shard in content["shards"]),
            columns=dict(content["columns"]),
            failures=tuple(Failure(**failure) for failure in content["failures"]),
            blank=tuple(content["blank"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


@dataclass(frozen=True)
class TaskSummary:
    """What a worker reports of a task: counts, and bytes read and written."""

    images: int
    views: int
    failures: int
    bytes_read: int
    bytes_written: int


def run_task(job: Job, task: Task) -> TaskSummary:
    """Make and publish a task's shards, then its record.

    Raises:
        AugcliError: an unusable image under `fail_on_error`, or a file that can't be written.
    """
    try:
        with ExitStack() as stack:
            open_shard = store_named(job.format, job.url).open
            writers = [
                stack.enter_context(open_shard(job.dataset, task, shard)) for shard in task.shards
            ]
            work = _Work(job, task, writers)
            for sample, repeats in zip(task.samples, task.repeats, strict=True):
                work.expand(sample, repeats)
            record = work.publish()
        # Unflushed: should it not survive a power cut, the task is done again.
        replace_file(job.record_path(task), record.to_json())
    except OSError as error:
        raise AugcliError(
            f"{error.filename or job.dataset}: {error.strerror or error}; nothing finished is "
            "lost: mend that (room, permission, open files) and run it again"
        ) from error
    return TaskSummary(
        images=len(task.samples) if task.first else 0,
        views=sum(writer.views for writer in writers),
        failures=len(record.failures) if task.first else 0,
        bytes_read=work.bytes_read,
        bytes_written=sum(writer.bytes for writer in writers),
    )


@lru_cache(maxsize=2)
def _maker(recipe: Recipe) -> ViewMaker:
    """One maker per process: building a policy takes longer than many views."""
    return ViewMaker(recipe)


class _Work:
    """A task while it is worked at: one writer for each of its shards, and what is recorded."""

    def __init__(self, job: Job, task: Task, writers: list[Writer]) -> None:
        self.bytes_read = 0
        self._job = job
        self._root = str(job.root)
        self._task = task
        self._writers = writers
        self._maker = _maker(job.recipe)
        self._codec: Codec = codec_named(job.codec)
        self._rows: list[list[ViewRow]] = [[] for _ in writers]
        self._failures: list[Failure] = []
        self._blank: list[str] = []

    def expand(self, sample: Sample, repeats: int) -> None:
        """Read a sample once, and write all its views."""
        data = b""
        try:
            with open(f"{self._root}/{sample.source}", "rb", buffering=0) as file:
                data = file.read()
            fitted = self._maker.fitted(data)
        except DecodeError as error:
            self._fail(Failure(sample.source, str(error), sha256_bytes(data)))
            return
        except ABSENT as error:
            self._check_reachable(sample)
            self._fail(Failure(sample.source, error.strerror or "can't be read"))
            return
        self.bytes_read += len(data)
        if fitted.is_blank:
            self._blank.append(sample.source)
        self._write_views(sample, repeats, sha256_bytes(data), fitted)

    def publish(self) -> TaskRecord:
        """Publish all shards that hold anything; the record of them."""
        pairs = zip(self._task.shards, self._writers, strict=True)
        filled = [(shard, writer) for shard, writer in pairs if writer.views]
        # At once: the disk then flushes them in one go, and each waits only for that.
        with ThreadPoolExecutor(PUBLISHING_THREADS) as threads:
            digests = list(threads.map(lambda pair: pair[1].publish(), filled))
        shards = [
            ShardRecord(
                name=shard.name,
                split=self._task.split,
                round=shard.round,
                chunk=self._task.chunk,
                views=writer.views,
                bytes=writer.bytes,
                sha256=digest,
            )
            for (shard, writer), digest in zip(filled, digests, strict=True)
        ]
        columns = columns_of([row for rows in self._rows for row in rows])
        return TaskRecord(tuple(shards), columns, tuple(self._failures), tuple(self._blank))

    def _write_views(self, sample: Sample, repeats: int, digest: str, fitted: Frame) -> None:
        job, codec = self._job, self._codec
        class_name = job.classes[sample.label]
        label = b"%d" % sample.label
        own = (sample.key, sample.source, digest, sample.split, class_name, sample.label)
        start = member_start(*own)
        for shard, writer, rows in zip(self._task.shards, self._writers, self._rows, strict=True):
            copies = copies_of_round(shard.round, repeats, job.originals)
            for copy in copies if sample.split == "train" else (0,):
                view = self._maker.named_view(fitted, sample, copy)
                encoded = codec.encode(view.rgbx, job.quality)
                seed = f"{view.seed:032x}"
                members = {
                    codec.extension: encoded,
                    "cls": label,
                    "json": member_json(start, copy, shard.round, seed, view.applied),
                }
                place = writer.write(view_name(sample.key, copy), class_name, members)
                content = len(encoded), zlib.crc32(encoded)
                rows.append(ViewRow(*own, copy, shard.round, seed, *place, *content, view.applied))

    def _check_reachable(self, sample: Sample) -> None:
        """A folder that vanished, as a drive that is unplugged, is no fault of its images."""
        folder = (self._job.root / sample.source).parent
        if not os.access(folder, os.X_OK):
            raise AugcliError(
                f"{folder}: was there when the expansion began and can't be reached any more; "
                "nothing finished is lost: bring it back and run it again"
            )

    def _fail(self, failure: Failure) -> None:
        if self._job.fail_on_error:
            raise AugcliError(
                f"{self._job.root / failure.source}: {failure.reason}; mend or remove it, or "
                "leave such images out with --on-error skip"
            )
        self._failures.append(failure)
