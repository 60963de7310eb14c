"""The folder of an expanded dataset while it is being made: one run at a time, resume verifies.

Until the manifest is written, `.work` holds the identity of the expansion, a record of every
finished task and, when a finished dataset is being added to, a copy of its tables. A rerun compares
the identity, checks the records against the shards and the sources, and makes only the rest. What
is to be added to a finished dataset may be another thing in every rerun: each record says what it
is of.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from augcli.augment.earlier import LISTED, Earlier
from augcli.augment.identity import Identity, differences, growth_differences
from augcli.augment.plan import Task
from augcli.augment.stores import store_named
from augcli.augment.task import Job, TaskRecord, read_record
from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.files import copy_atomic, exclusive_lock, publish, write_atomic
from augcli.manifests.hashing import sha256_if_readable
from augcli.manifests.keys import class_folder, is_view_name
from augcli.manifests.manifest import (
    FAILURES_FILE,
    IDENTITY_FILE,
    MANIFEST_FILE,
    PAGE_FILES,
    SAMPLES_FILE,
    SHARDS_FOLDER,
    WORK_FOLDER,
    Manifest,
    is_shard_name,
    page_names,
    read_manifest,
    wids_file,
)
from augcli.manifests.reading import read_json
from augcli.manifests.sample_list import SPLITS
from augcli.manifests.samples_file import SamplesFile
from augcli.manifests.threads import in_threads
from augcli.shards.file_faults import lost_files
from augcli.shards.urls import Place

LOCK_FILE = "lock"
EARLIER_FOLDER = "earlier"
TABLES = (MANIFEST_FILE, SAMPLES_FILE, FAILURES_FILE)
OWN_NAMES = frozenset((*TABLES, *PAGE_FILES, SHARDS_FOLDER, *SPLITS))


class DatasetFolder:
    """One dataset folder, for one expansion.

    Attributes:
        path: the folder.
        place: where the dataset is, for people.
        url: where its shards go, '' when that is the folder.
    """

    def __init__(self, path: Path, place: Place | None = None, url: str = "") -> None:
        self.path = path
        self.place: Path | Place = place or path
        self.url = url
        self._work = path / WORK_FOLDER
        self._busy = (
            f"--out {self.place}: another expansion is at work there; wait or name another folder"
        )
        self._seen = self._state()

    @property
    def room(self) -> str:
        """What the disk is taken for, for people."""
        return f"--out {self.path}"

    def check_free(self) -> None:
        """Tell at once, and not after all images were looked at, that the folder is in use.

        Raises:
            AugcliError: another expansion is at work in it.
        """
        with contextlib.suppress(OSError):
            if (self._work / LOCK_FILE).exists():
                with exclusive_lock(self._work / LOCK_FILE, self._busy):
                    pass

    def earlier(self) -> Earlier | None:
        """The finished dataset that is there, or was when an interrupted run began.

        Raises:
            UsageError: the folder holds other things.
            AugcliError: a file of the dataset is missing or torn.
        """
        self._check_foreign()
        has_manifest = (self.path / MANIFEST_FILE).exists()
        if self._kept.is_dir() and not self._is_superseded:
            return Earlier(self.path, self._kept, thorough=not has_manifest, url=self.url)
        return (
            Earlier(self.path, self.path, url=self.url) if has_manifest and not self.torn else None
        )

    @cached_property
    def torn(self) -> Manifest | None:
        """The manifest of a dataset that has lost a table: all of it has to be made again."""
        if self._kept.is_dir() or not (self.path / MANIFEST_FILE).exists():
            return None
        manifest = read_manifest(self.path)
        tables = (manifest.samples, manifest.failures)
        holds = all(sha256_if_readable(self.path / t.file) == t.sha256 for t in tables)
        return None if holds else manifest

    @property
    def is_begun(self) -> bool:
        """Whether an expansion is at work here, or was interrupted."""
        return self._work.exists()

    @contextlib.contextmanager
    def open(self, identity: Identity) -> Iterator[None]:
        """Hold the folder for this process until its manifest is written.

        Raises:
            AugcliError: another expansion is or was at work in it, what was begun there was another
                expansion, or it can't be written.
        """
        try:
            self._work.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AugcliError(f"{self.room}: can't be made: {error.strerror}") from error
        try:
            with exclusive_lock(self._work / LOCK_FILE, self._busy):
                self._check_as_seen()
                if self._kept.exists() and self._is_superseded:
                    self._drop_kept()
                if self.torn is not None:
                    self.withdraw()
                self._clear_temporary_files()
                self._check_begun(identity)
                self._keep_earlier()
                if identity.options["format"] == "tar":
                    (self.path / SHARDS_FOLDER).mkdir(exist_ok=True)
                yield
                self._remove_work()
        except OSError as error:
            where = error.filename or self.path
            raise AugcliError(f"{where}: {error.strerror or error}; run it again") from error

    def withdraw(self) -> None:
        """Take back the manifest, before anything that it speaks of changes."""
        (self.path / MANIFEST_FILE).unlink(missing_ok=True)

    def publish(self, manifest: Manifest) -> None:
        """Give the dataset its manifest: the last step of an expansion."""
        manifest.write(self.path)

    def is_whole(self, manifest: Manifest) -> bool:
        """Whether all files of a finished dataset are there, shards in their sizes.

        And no index of a split that it has no views of any more.
        """
        stale = any((self.path / name).exists() for name in stale_indexes(manifest))
        return not stale and not any(lost_files(self.path, manifest))

    def edited_pages(self) -> list[str]:
        """Pages of the finished dataset that are not what was written: by hand, or damaged."""
        if not (self.path / MANIFEST_FILE).exists():
            return []
        pages = read_manifest(self.path).pages
        found = {name: sha256_if_readable(self.path / name) for name in sorted(pages)}
        return [name for name, digest in found.items() if digest not in ("", pages[name])]

    def unfinished(self, job: Job, tasks: Sequence[Task], *, refresh: bool) -> list[Task]:
        """The tasks without a record that holds: shards in place, failed images as they were.

        Raises:
            AugcliError: a source that was already expanded has changed, unless to `refresh` it.
        """
        finished = in_threads(
            lambda task: self._is_finished(job, task, refresh),
            tasks,
            store_named(job.format, job.url).at_once,
        )
        return [task for task, done in zip(tasks, finished, strict=True) if not done]

    def make_class_folders(self, manifest: Manifest) -> None:
        """In the folder format every split has every class, if only as an empty folder.

        Readers number the classes by the folders that they find: without one, all labels behind it
        would be others than in training.
        """
        if manifest.options["format"] != "tar":
            for split in (name for name, record in manifest.splits.items() if record.views):
                for name in manifest.classes:
                    folder = self.path / split / class_folder(name)
                    folder.mkdir(parents=True, exist_ok=True)

    def remove_strays(self, manifest: Manifest) -> None:
        """Remove shards, or view files, that the dataset no longer has or that it never got.

        And the indexes of splits that it has no views of any more.
        """
        for name in stale_indexes(manifest):
            (self.path / name).unlink(missing_ok=True)
        if manifest.options["format"] == "tar":
            shards = {shard.name for shard in manifest.shards}
            for path in (self.path / SHARDS_FOLDER).glob("*.tar"):
                if path.name not in shards and is_shard_name(path.name):
                    path.unlink()
            return
        from augcli.shards.view_files import view_files  # imports Arrow

        with contextlib.closing(SamplesFile(self.path / SAMPLES_FILE)) as table:
            views = view_files(table)
        for split in SPLITS:
            for path in (self.path / split).glob("*/*"):
                place = path.relative_to(self.path).as_posix()
                if place not in views and is_view_name(path.stem):
                    path.unlink()

    def _is_finished(self, job: Job, task: Task, refresh: bool) -> bool:
        record = read_record(job.record_path(task))
        if record is None or not record.is_of(task) or not self._shards_hold(job, record):
            return False
        columns = record.columns
        changed = changed_images(
            job.root, dict(zip(columns["source"], columns["source_sha256"], strict=True))
        )
        if changed and refresh:
            return False
        _refuse_changed(changed)
        if job.fail_on_error and record.failures:
            return False
        return not any(
            sha256_if_readable(job.root / failure.source) != failure.sha256
            for failure in record.failures
        )

    def _shards_hold(self, job: Job, record: TaskRecord) -> bool:
        store = store_named(job.format, job.url)
        first = 0
        for shard in record.shards:
            rows = slice(first, first + shard.views)
            first += shard.views
            if not store.holds(self.path, shard, partial(_files, record, rows)):
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
            begun = Identity(**read_json(path)).plain()
        except (ValueError, TypeError) as error:
            raise AugcliError(f"{path}: damaged ({error}); remove {self.path}") from error
        wanted = identity.plain()
        if self._is_growing and not list(growth_differences(begun, wanted, begun_copies=0)):
            write_atomic(path, json.dumps(wanted, indent=1))  # it never was more than a beginning
            return
        refuse_differences(self.place, list(differences(begun, wanted)))

    def _keep_earlier(self) -> None:
        """Copy the tables of the finished dataset: they are needed until the new ones are there."""
        if self._kept.exists() or not (self.path / MANIFEST_FILE).exists():
            return
        temporary = self._work / f"{EARLIER_FOLDER}.tmp"
        temporary.mkdir()
        for name in TABLES:
            copy_atomic(self.path / name, temporary / name)
        publish(temporary, self._kept)

    def _remove_work(self) -> None:
        if self._kept.exists():
            self._drop_kept()
        shutil.rmtree(self._work)

    def _drop_kept(self) -> None:
        """All at once: half of the tables would be taken for a dataset."""
        self._kept.rename(self._work / f"{EARLIER_FOLDER}.tmp")

    @property
    def _kept(self) -> Path:
        return self._work / EARLIER_FOLDER

    @property
    def _is_growing(self) -> bool:
        """Whether there is a finished dataset, so that all that was begun is to be added to it."""
        return self._kept.exists() or (self.path / MANIFEST_FILE).exists()

    @property
    def _is_superseded(self) -> bool:
        """Whether a run finished the dataset and was killed before it could tidy up."""
        now = sha256_if_readable(self.path / MANIFEST_FILE)
        return bool(now) and now != sha256_if_readable(self._kept / MANIFEST_FILE)

    def _check_as_seen(self) -> None:
        """The plan was made before the folder was held: was another expansion faster?"""
        if self._state() != self._seen:
            raise AugcliError(
                f"--out {self.place}: another expansion has finished or begun there meanwhile; "
                "run it again"
            )

    def _state(self) -> tuple[str, ...]:
        """What changes when an expansion begins or ends here."""
        files = (
            self.path / MANIFEST_FILE,
            self._work / IDENTITY_FILE,
            self._kept / MANIFEST_FILE,
        )
        return tuple(map(sha256_if_readable, files))


def stale_indexes(manifest: Manifest) -> list[str]:
    """Indexes that the dataset does not have, but may have had when it had other splits."""
    pages = page_names(manifest.options, manifest.splits)
    return [name for name in map(wids_file, SPLITS) if name not in pages]


def _files(record: TaskRecord, rows: slice) -> list[tuple[str, int]]:
    """The files of some views, with the bytes of each view."""
    columns = record.columns
    return list(zip(columns["shard"][rows], columns["length"][rows], strict=True))


def refuse_differences(place: Path | Place, found: Sequence[str]) -> None:
    """Stop when there are differences to what was expanded.

    Raises:
        AugcliError: listing them.
    """
    if found:
        listed = "\n".join(f"  {line}" for line in found)
        raise AugcliError(
            f"--out {place}: was expanded differently:\n{listed}\n"
            "repeat the earlier options, name another folder, or remove this one"
        )


def changed_images(root: Path, expected: Mapping[str, Any]) -> list[str]:
    """Images that haven't the hashes that they had, each with what became of it."""
    changed = []
    for source, digest in sorted(expected.items()):
        found = sha256_if_readable(root / source)
        if found != digest:
            changed.append(f"{root / source}: {'has changed' if found else 'can not be read'}")
    return changed


def _refuse_changed(changed: Sequence[str]) -> None:
    if changed:
        listed = "\n".join(f"  {line}" for line in changed[:LISTED])
        more = f"\n  … and {len(changed) - LISTED} more" if len(changed) > LISTED else ""
        raise AugcliError(
            f"images that were already expanded are not what they were:\n{listed}{more}\n"
            "put them back, go on with --refresh (make changed images' views anew), or expand into "
            "another folder"
        )
