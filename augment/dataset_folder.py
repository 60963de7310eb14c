"""The folder of an expanded dataset while it is being made: one run at a time, resume verifies.

Until the manifest is written, `.work` holds the identity of the expansion and a record of every
finished task. A rerun compares the identity, checks the records against the shards and the
sources, and makes only the rest. A finished dataset is only looked at.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from augcli.augment.identity import Identity, differences, identity_of
from augcli.augment.plan import Task
from augcli.augment.task import Job, TaskRecord, read_record
from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.files import exclusive_lock, write_atomic
from augcli.manifests.hashing import sha256_file
from augcli.manifests.manifest import (
    CARD_FILE,
    CROISSANT_FILE,
    FAILURES_FILE,
    MANIFEST_FILE,
    PREVIEW_FILE,
    SAMPLES_FILE,
    SHARDS_FOLDER,
    WORK_FOLDER,
    read_manifest,
)
from augcli.manifests.reference import Failure
from augcli.manifests.samples import read_samples
from augcli.shards.file_faults import lost_files

IDENTITY_FILE = "identity.json"
LOCK_FILE = "lock"
OWN_NAMES = frozenset(
    (
        CARD_FILE,
        CROISSANT_FILE,
        FAILURES_FILE,
        MANIFEST_FILE,
        PREVIEW_FILE,
        SAMPLES_FILE,
        SHARDS_FOLDER,
    )
)


class DatasetFolder:
    """One dataset folder, for one expansion."""

    def __init__(self, path: Path, identity: Identity) -> None:
        self.path = path
        self._identity = identity
        self._work = path / WORK_FOLDER

    def is_complete(self, job: Job) -> bool:
        """Whether the dataset is finished and sound; then nothing is written, not even a lock.

        A finished dataset that has lost files is not complete: it will be made again.

        Raises:
            UsageError: the folder holds other things.
            AugcliError: it was made differently, or an image is not what it was.
        """
        self._check_foreign()
        if not (self.path / MANIFEST_FILE).exists() or self._work.exists():
            return False
        manifest = read_manifest(self.path)
        self._compare(identity_of(manifest).plain())
        if any(lost_files(self.path, manifest)):
            return False
        self._check_sources(job)
        return True

    @contextlib.contextmanager
    def open(self) -> Iterator[DatasetFolder]:
        """Hold the folder for this process until its manifest is written.

        Raises:
            AugcliError: another expansion is at work in it, what was begun there was another
                expansion, or it can't be written.
        """
        try:
            self._work.mkdir(parents=True, exist_ok=True)
            (self.path / SHARDS_FOLDER).mkdir(exist_ok=True)
        except OSError as error:
            raise AugcliError(f"--out {self.path}: can't be made: {error.strerror}") from error
        busy = f"--out {self.path}: another expansion is at work there; wait or name another folder"
        with exclusive_lock(self._work / LOCK_FILE, busy):
            self._clear_temporary_files()
            self._check_begun()
            (self.path / MANIFEST_FILE).unlink(missing_ok=True)
            yield self
            shutil.rmtree(self._work)

    def unfinished(self, job: Job, tasks: Sequence[Task]) -> list[Task]:
        """The tasks without a record that holds: shards in place, failed images as they were.

        Raises:
            AugcliError: a source that was already expanded has changed.
        """
        return [task for task in tasks if not self._is_finished(job, task)]

    def _check_sources(self, job: Job) -> None:
        """Hold the images against the hashes in a complete dataset.

        Raises:
            AugcliError: listing those that have changed or vanished, or (under `fail_on_error`)
                the first that failed.
        """
        table = read_samples(self.path / SAMPLES_FILE, round=0)
        columns = (table.column(name).to_pylist() for name in ("source", "source_sha256"))
        failures = read_failures(self.path / FAILURES_FILE)
        unusable = [failure for failure in failures if failure.sha256]
        if job.fail_on_error and unusable:
            raise AugcliError(
                f"{job.root / unusable[0].source}: {unusable[0].reason}; the dataset was made "
                "without it: mend it and expand into another folder"
            )
        expected = dict(zip(*columns, strict=True))
        expected |= {failure.source: failure.sha256 for failure in unusable}
        _check_unchanged(job.root, expected)

    def _is_finished(self, job: Job, task: Task) -> bool:
        record = read_record(job.record_path(task))
        if record is None or not self._shards_hold(record):
            return False
        _check_unchanged(job.root, {row.source: row.source_sha256 for row in record.rows})
        if job.fail_on_error and record.failures:
            return False
        return not any(
            sha256_if_readable(job.root / failure.source) != failure.sha256
            for failure in record.failures
        )

    def _shards_hold(self, record: TaskRecord) -> bool:
        paths = (self.path / SHARDS_FOLDER / shard.name for shard in record.shards)
        hashes = (shard.sha256 for shard in record.shards)
        return all(
            sha256_if_readable(path) == digest for path, digest in zip(paths, hashes, strict=True)
        )

    def _check_foreign(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"--out {self.path}: is a file; expected a folder")
        if not self.path.is_dir() or self._work.is_dir():
            return
        names = {entry.name for entry in self.path.iterdir()}
        if names and not (names <= OWN_NAMES and MANIFEST_FILE in names):
            foreign = sorted(names - OWN_NAMES) or sorted(names)
            raise UsageError(
                f"--out {self.path}: holds other things ({', '.join(foreign[:3])}…); "
                "name a new folder or an expansion to finish"
            )

    def _clear_temporary_files(self) -> None:
        """What a killed run left under temporary names."""
        pages = (*self.path.glob(".*.tmp"), *(self.path / SHARDS_FOLDER).glob(".*.tmp"))
        for leftover in (*pages, *self._work.iterdir()):
            if leftover.name.endswith(".tmp"):
                leftover.unlink(missing_ok=True)

    def _check_begun(self) -> None:
        """Compare with what was begun or finished here; note it when this is the beginning."""
        path = self._work / IDENTITY_FILE
        if path.exists():
            try:
                begun = Identity(**json.loads(path.read_bytes())).plain()
            except (ValueError, TypeError) as error:
                raise AugcliError(f"{path}: damaged ({error}); remove {self.path}") from error
            self._compare(begun)
            return
        if (self.path / MANIFEST_FILE).exists():
            self._compare(identity_of(read_manifest(self.path)).plain())
        write_atomic(path, json.dumps(self._identity.plain(), indent=1))

    def _compare(self, recorded: Mapping[str, Any]) -> None:
        found = list(differences(recorded, self._identity.plain()))
        if found:
            listed = "\n".join(f"  {line}" for line in found)
            raise AugcliError(
                f"--out {self.path}: was expanded differently:\n{listed}\n"
                "repeat the earlier options, name another folder, or remove this one"
            )


def read_failures(path: Path) -> list[Failure]:
    """The rows of `failures.jsonl`: the inputs that were not used, with reasons.

    Raises:
        AugcliError: missing or torn.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
        return [Failure(**json.loads(line)) for line in lines]
    except (OSError, ValueError, TypeError) as error:
        raise AugcliError(f"{path}: can't be read: {error}; expand again") from error


def sha256_if_readable(path: Path) -> str:
    """Hex SHA-256 of a file, '' when it can't be read."""
    try:
        return sha256_file(path)
    except OSError:
        return ""


def _check_unchanged(root: Path, expected: Mapping[str, str]) -> None:
    changed = []
    for source, digest in sorted(expected.items()):
        found = sha256_if_readable(root / source)
        if found != digest:
            changed.append(f"{root / source}: {'has changed' if found else 'can not be read'}")
    if changed:
        listed = "\n".join(f"  {line}" for line in changed[:10])
        more = f"\n  … and {len(changed) - 10} more" if len(changed) > 10 else ""
        raise AugcliError(
            f"images that were already expanded are not what they were:\n{listed}{more}\n"
            "put them back, or expand into another folder"
        )
