"""The folder of an expanded dataset while it is being made: one run at a time, resume verifies.

Until the manifest is written, `.work` holds the identity of the expansion, a record of every
finished task and, when a finished dataset is being added to, a copy of its tables. A rerun compares
the identity, checks the records against the shards and the sources, and makes only the rest.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from augcli.augment.earlier import LISTED, Earlier
from augcli.augment.identity import Identity, differences
from augcli.augment.plan import Task
from augcli.augment.stores import store_named
from augcli.augment.task import Job, TaskRecord, read_record
from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.files import exclusive_lock, write_atomic
from augcli.manifests.hashing import sha256_if_readable
from augcli.manifests.manifest import (
    FAILURES_FILE,
    MANIFEST_FILE,
    PAGE_FILES,
    SAMPLES_FILE,
    SHARDS_FOLDER,
    WORK_FOLDER,
)
from augcli.manifests.reference import SPLITS

IDENTITY_FILE = "identity.json"
LOCK_FILE = "lock"
EARLIER_FOLDER = "earlier"
TABLES = (MANIFEST_FILE, SAMPLES_FILE, FAILURES_FILE)
OWN_NAMES = frozenset((*TABLES, *PAGE_FILES, SHARDS_FOLDER, *SPLITS))


class DatasetFolder:
    """One dataset folder, for one expansion."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._work = path / WORK_FOLDER

    def earlier(self) -> Earlier | None:
        """The finished dataset that is there, or was when an interrupted run began.

        Raises:
            UsageError: the folder holds other things.
            AugcliError: a file of the dataset is missing or torn.
        """
        self._check_foreign()
        kept = self._work / EARLIER_FOLDER
        if kept.is_dir():
            return Earlier(self.path, kept)
        if (self.path / MANIFEST_FILE).exists():
            return Earlier(self.path, self.path)
        return None

    @property
    def is_begun(self) -> bool:
        """Whether an expansion is at work here, or was interrupted."""
        return self._work.exists()

    @contextlib.contextmanager
    def open(self, identity: Identity) -> Iterator[None]:
        """Hold the folder for this process until its manifest is written.

        Raises:
            AugcliError: another expansion is at work in it, what was begun there was another
                expansion, or it can't be written.
        """
        try:
            self._work.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AugcliError(f"--out {self.path}: can't be made: {error.strerror}") from error
        busy = f"--out {self.path}: another expansion is at work there; wait or name another folder"
        try:
            with exclusive_lock(self._work / LOCK_FILE, busy):
                self._clear_temporary_files()
                self._check_begun(identity)
                self._keep_earlier()
                (self.path / SHARDS_FOLDER).mkdir(exist_ok=True)
                yield
                shutil.rmtree(self._work)
        except OSError as error:
            where = error.filename or self.path
            raise AugcliError(f"{where}: {error.strerror or error}; run it again") from error

    def withdraw(self) -> None:
        """Take back the manifest, before anything that it speaks of changes."""
        (self.path / MANIFEST_FILE).unlink(missing_ok=True)

    def unfinished(self, job: Job, tasks: Sequence[Task]) -> list[Task]:
        """The tasks without a record that holds: shards in place, failed images as they were.

        Raises:
            AugcliError: a source that was already expanded has changed.
        """
        return [task for task in tasks if not self._is_finished(job, task)]

    def remove_shards(self, names: Iterable[str], files: Iterable[str]) -> None:
        """Remove shards (or, in the folder format, files) that the dataset no longer has."""
        for name in names:
            (self.path / SHARDS_FOLDER / name).unlink(missing_ok=True)
        for name in files:
            (self.path / name).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # other views are in it
                (self.path / name).parent.rmdir()

    def _is_finished(self, job: Job, task: Task) -> bool:
        record = read_record(job.record_path(task))
        if record is None or not self._is_of(task, record) or not self._shards_hold(job, record):
            return False
        columns = record.columns
        check_unchanged(
            job.root, dict(zip(columns["source"], columns["source_sha256"], strict=True))
        )
        if job.fail_on_error and record.failures:
            return False
        return not any(
            sha256_if_readable(job.root / failure.source) != failure.sha256
            for failure in record.failures
        )

    def _is_of(self, task: Task, record: TaskRecord) -> bool:
        made = {*record.columns["source"], *(failure.source for failure in record.failures)}
        shards = {shard.name for shard in record.shards}
        return made == {sample.source for sample in task.samples} and (
            shards == {shard.name for shard in task.shards} or not shards
        )

    def _shards_hold(self, job: Job, record: TaskRecord) -> bool:
        store = store_named(job.format)
        first = 0
        for shard in record.shards:
            places = record.columns["shard"][first : first + shard.views]
            first += shard.views
            if store.sha256(self.path, shard.name, places) != shard.sha256:
                return False
        return True

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
                if leftover.is_dir():
                    shutil.rmtree(leftover)
                else:
                    leftover.unlink(missing_ok=True)

    def _check_begun(self, identity: Identity) -> None:
        """Compare with what was begun here; note it when this is the beginning."""
        path = self._work / IDENTITY_FILE
        if not path.exists():
            write_atomic(path, json.dumps(identity.plain(), indent=1))
            return
        try:
            begun = Identity(**json.loads(path.read_bytes())).plain()
        except (ValueError, TypeError) as error:
            raise AugcliError(f"{path}: damaged ({error}); remove {self.path}") from error
        refuse_differences(self.path, list(differences(begun, identity.plain())))

    def _keep_earlier(self) -> None:
        """Copy the tables of the finished dataset: they are needed until the new ones are there."""
        kept = self._work / EARLIER_FOLDER
        if kept.exists() or not (self.path / MANIFEST_FILE).exists():
            return
        temporary = self._work / f"{EARLIER_FOLDER}.tmp"
        temporary.mkdir()
        for name in TABLES:
            shutil.copyfile(self.path / name, temporary / name)
        temporary.rename(kept)


def refuse_differences(path: Path, found: Sequence[str]) -> None:
    """Stop when there are differences to what was expanded.

    Raises:
        AugcliError: listing them.
    """
    if found:
        listed = "\n".join(f"  {line}" for line in found)
        raise AugcliError(
            f"--out {path}: was expanded differently:\n{listed}\n"
            "repeat the earlier options, name another folder, or remove this one"
        )


def check_unchanged(root: Path, expected: Mapping[str, Any]) -> None:
    """Hold images against the hashes that they had.

    Raises:
        AugcliError: listing those that are gone or have changed.
    """
    changed = []
    for source, digest in sorted(expected.items()):
        found = sha256_if_readable(root / source)
        if found != digest:
            changed.append(f"{root / source}: {'has changed' if found else 'can not be read'}")
    if changed:
        listed = "\n".join(f"  {line}" for line in changed[:LISTED])
        more = f"\n  … and {len(changed) - LISTED} more" if len(changed) > LISTED else ""
        raise AugcliError(
            f"images that were already expanded are not what they were:\n{listed}{more}\n"
            "put them back, or expand into another folder"
        )
