"""The folder of an expanded dataset while it is being made: one run at a time, resume verifies.

Until the manifest is written, `.work` holds the identity of the expansion and a record of every
finished task. A rerun compares the identity, checks the records against the shards and the
sources, and makes only the rest.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from augcli.augment.plan import Task
from augcli.augment.task import WORK_FOLDER, Job, TaskRecord, read_record
from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.files import write_atomic
from augcli.manifests.hashing import sha256_file
from augcli.manifests.manifest import (
    CARD_FILE,
    FAILURES_FILE,
    MANIFEST_FILE,
    PREVIEW_FILE,
    SAMPLES_FILE,
    SHARDS_FOLDER,
    Manifest,
    read_manifest,
)
from augcli.manifests.samples import read_samples

IDENTITY_FILE = "identity.json"
LOCK_FILE = "lock"
OWN_NAMES = frozenset(
    (CARD_FILE, FAILURES_FILE, MANIFEST_FILE, PREVIEW_FILE, SAMPLES_FILE, SHARDS_FOLDER)
)


@dataclass(frozen=True)
class Identity:
    """Everything that decides the bytes, except the bytes of the sources."""

    options: Mapping[str, Any]
    policy: Mapping[str, Any]
    versions: Mapping[str, str]
    classes: tuple[str, ...]
    fingerprint: str

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        content: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return content


class DatasetFolder:
    """One dataset folder, opened for an expansion."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.complete = False

    @contextlib.contextmanager
    def open(self, identity: Identity) -> Iterator[DatasetFolder]:
        """Make or check the folder and hold it for this process.

        Raises:
            UsageError: the folder holds other things.
            AugcliError: another expansion is at work in it, it was made with other options,
                or it can't be written.
        """
        self._check_foreign()
        work = self.path / WORK_FOLDER
        try:
            work.mkdir(parents=True, exist_ok=True)
            (self.path / SHARDS_FOLDER).mkdir(exist_ok=True)
        except OSError as error:
            raise AugcliError(f"--out {self.path}: can't be made: {error.strerror}") from error
        with _locked(work / LOCK_FILE, self.path):
            self._clear_temporary_files()
            try:
                self.complete = self._check_identity(identity)
                yield self
            finally:
                if (self.path / MANIFEST_FILE).exists():
                    shutil.rmtree(work)

    def unfinished(self, job: Job, tasks: Sequence[Task]) -> list[Task]:
        """The tasks without a record that holds: shards in place, sources unchanged.

        Raises:
            AugcliError: a source that was already expanded has changed.
        """
        return [task for task in tasks if not self._is_finished(job, task)]

    def check_sources(self, root: Path) -> None:
        """Hold the sources against the hashes in a complete dataset.

        Raises:
            AugcliError: listing those that have changed or vanished.
        """
        table = read_samples(self.path / SAMPLES_FILE, round=0)
        columns = (table.column(name).to_pylist() for name in ("source", "source_sha256"))
        _check_hashes(root, dict(zip(*columns, strict=True)))

    def _is_finished(self, job: Job, task: Task) -> bool:
        record = read_record(job.record_path(task))
        if record is None or not self._shards_hold(record):
            return False
        _check_hashes(job.root, {row.source: row.source_sha256 for row in record.rows})
        return True

    def _shards_hold(self, record: TaskRecord) -> bool:
        for shard in record.shards:
            path = self.path / SHARDS_FOLDER / shard.name
            if not path.is_file() or path.stat().st_size != shard.bytes:
                return False
        return True

    def _check_foreign(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"--out {self.path}: is a file; expected a folder")
        if not self.path.is_dir() or (self.path / WORK_FOLDER).is_dir():
            return
        names = {entry.name for entry in self.path.iterdir()}
        if names and not (names <= OWN_NAMES and MANIFEST_FILE in names):
            raise UsageError(
                f"--out {self.path}: holds other things ({', '.join(sorted(names)[:3])}, …); "
                "name a new folder or an expansion to finish"
            )

    def _clear_temporary_files(self) -> None:
        """What a killed run left under temporary names."""
        for leftover in (*self.path.glob(".*.tmp"), *(self.path / WORK_FOLDER).glob("*.tmp")):
            leftover.unlink(missing_ok=True)
        for leftover in (self.path / WORK_FOLDER).glob(".*.tmp"):
            leftover.unlink(missing_ok=True)

    def _check_identity(self, identity: Identity) -> bool:
        """Whether the dataset is complete; raises when it was made from something else."""
        if (self.path / MANIFEST_FILE).exists():
            recorded = _identity_of(read_manifest(self.path))
            self._compare(recorded, identity.plain())
            return True
        path = self.path / WORK_FOLDER / IDENTITY_FILE
        if path.exists():
            self._compare(json.loads(path.read_bytes()), identity.plain())
        else:
            write_atomic(path, json.dumps(identity.plain(), indent=1))
        return False

    def _compare(self, recorded: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
        found = list(differences(recorded, wanted))
        if found:
            listed = "\n".join(f"  {line}" for line in found)
            raise AugcliError(
                f"--out {self.path}: was expanded differently:\n{listed}\n"
                "repeat the earlier options, name another folder, or remove this one"
            )


def differences(recorded: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """One line for each difference between two identities."""
    for group in ("options", "versions"):
        for name in sorted({*recorded[group], *wanted[group]}):
            before, now = recorded[group].get(name), wanted[group].get(name)
            if before != now:
                label = "--" + name.replace("_", "-") if group == "options" else name
                yield f"{label}: was {before}, now {now}"
    if recorded["policy"] != wanted["policy"] and recorded["options"] == wanted["options"]:
        yield "--policy: its file has changed"
    if recorded["classes"] != wanted["classes"]:
        yield f"classes: were {recorded['classes']}, now {wanted['classes']}"
    elif recorded["fingerprint"] != wanted["fingerprint"]:
        yield "--data: images were added, removed or moved to another split or class"


def _identity_of(manifest: Manifest) -> dict[str, Any]:
    return Identity(
        options=manifest.options,
        policy=manifest.policy,
        versions=manifest.versions,
        classes=manifest.classes,
        fingerprint=manifest.reference.fingerprint,
    ).plain()


def _check_hashes(root: Path, expected: Mapping[str, str]) -> None:
    changed = []
    for source, digest in sorted(expected.items()):
        try:
            if sha256_file(root / source) != digest:
                changed.append(f"{root / source}: has changed")
        except OSError as error:
            changed.append(f"{root / source}: {error.strerror}")
    if changed:
        listed = "\n".join(f"  {line}" for line in changed[:10])
        more = f"\n  … and {len(changed) - 10} more" if len(changed) > 10 else ""
        raise AugcliError(
            f"images that were already expanded are not what they were:\n{listed}{more}\n"
            "put them back, or expand into another folder"
        )


@contextlib.contextmanager
def _locked(path: Path, dataset: Path) -> Iterator[None]:
    """Hold an advisory lock that the system releases however this process ends."""
    with open(path, "wb") as file:
        _lock(file, dataset)
        yield


def _lock(file: IO[bytes], dataset: Path) -> None:
    try:
        import fcntl
    except ImportError:  # not on this system: two expansions at once can't be told apart
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise AugcliError(
            f"--out {dataset}: another expansion is at work there; wait for it or name another"
        ) from None
