"""A dataset at a URL while it is being made: a folder on this machine stands for it.

That folder, in the user's cache, has everything but the shards, which go to the URL one by one: the
tables and the pages of the finished dataset, and `.work` as any dataset has it. What is at the URL
decides: before anything else the manifest there, or that there is none, is taken over, so that an
expansion can be finished from elsewhere and grow from anywhere. The manifest goes last, and is the
first to be taken back.

Nothing locks a URL: of expansions on this machine one at a time works for it, those on different
machines have to take turns.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from augcli.augment.dataset_folder import TABLES, DatasetFolder, stale_indexes
from augcli.augment.identity import Identity
from augcli.augment.stores import RECEIPTS_FOLDER, store_named
from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.files import exclusive_lock, write_atomic
from augcli.manifests.hashing import sha256_if_readable
from augcli.manifests.manifest import (
    MANIFEST_FILE,
    PAGE_FILES,
    SHARDS_FOLDER,
    Manifest,
    read_manifest,
)
from augcli.manifests.threads import in_threads
from augcli.shards.connection import NotThereError
from augcli.shards.fetching import AT_ONCE, Stat
from augcli.shards.remote_dataset import manifest_bytes, parsed_manifest, table_file
from augcli.shards.sending import WritableFolder
from augcli.shards.uploading import Uploads
from augcli.shards.urls import cache_folder_of, checked_url, is_url, protocol_of

FOLDERS = "uploads"  # in the cache

Stats = Mapping[str, Stat | None]
"""By name, what is at the URL; None: nothing."""


def dataset_folder(out: str | Path) -> DatasetFolder:
    """The dataset that `--out` names: a folder, or a URL.

    Raises:
        UsageError: a URL that isn't written, or its driver isn't installed.
        AugcliError: another expansion is at work there, or the URL can't be asked.
    """
    return RemoteDatasetFolder(str(out)) if is_url(str(out)) else DatasetFolder(Path(out))


def check_remote(url: str, format: str, workers: int | None) -> None:
    """Refuse what can't be made at a URL, before anything is done.

    Raises:
        UsageError: the option, and what to do.
    """
    store_named(format, url)
    if protocol_of(checked_url(url)) == "memory" and workers != 1:
        raise UsageError(f"--out {url}: memory:// is in one process only: give --workers 1")


class RemoteDatasetFolder(DatasetFolder):
    """The dataset at a URL, for one expansion."""

    def __init__(self, url: str) -> None:
        """Take over what is at the URL.

        Raises:
            UsageError: a URL that isn't written, or its driver isn't installed.
            AugcliError: another expansion is at work there, or the URL can't be asked.
        """
        url = checked_url(url)
        self._remote = WritableFolder(url)
        super().__init__(cache_folder_of(url, FOLDERS), self._remote.place, url)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with exclusive_lock(self.path, self._busy):
                self._take_over()
        except OSError as error:
            reason = error.strerror or error
            raise AugcliError(f"{self.room}: can't be used: {reason}; set it elsewhere") from error
        self._seen = self._state()

    @property
    def room(self) -> str:
        """What the disk is taken for, for people."""
        return f"{self.path} (in $AUGCLI_CACHE, where shards for {self.place} are made)"

    @contextlib.contextmanager
    def open(self, identity: Identity) -> Iterator[None]:
        """Hold the dataset for this process; other machines know nothing of it."""
        with exclusive_lock(self.path, self._busy), super().open(identity):
            yield

    def withdraw(self) -> None:
        """Take back the manifest, before anything that it speaks of changes."""
        if self._remote.stat(MANIFEST_FILE) is not None:  # who may only write needn't remove
            self._remote.remove(MANIFEST_FILE)
        super().withdraw()

    def publish(self, manifest: Manifest) -> None:
        """Send tables and pages, then the manifest."""
        self._send(*manifest.file_hashes())
        super().publish(manifest)
        self._send(MANIFEST_FILE)

    def is_whole(self, manifest: Manifest) -> bool:
        """Whether all files of a finished dataset are there, in the sizes that are known.

        And no index of a split that it has no views of any more.
        """
        shards = {f"{SHARDS_FOLDER}/{shard.name}": shard.bytes for shard in manifest.shards}
        wanted = [*manifest.file_hashes(), *shards]
        found = self._stats([*wanted, *stale_indexes(manifest)])
        there = {name for name, stat in found.items() if stat is not None}
        sizes = {**self._sizes_here(manifest), **shards}
        return there == set(wanted) and not _of_other_size(found, sizes)

    def edited_pages(self) -> list[str]:
        """Pages at the URL that have not the size that they had when they were sent."""
        if not (self.path / MANIFEST_FILE).exists():
            return []
        manifest = read_manifest(self.path)
        return _of_other_size(self._stats(sorted(manifest.pages)), self._sizes_here(manifest))

    def remove_strays(self, manifest: Manifest) -> None:
        """Remove shards that the dataset no longer has, as far as their names are known here.

        And the indexes of splits that it has no views of any more.
        """
        known = Uploads(self._remote, self._work / RECEIPTS_FOLDER).names()
        before = [read_manifest(self._kept)] if self._kept.exists() else []
        before += [self.torn] if self.torn is not None else []
        known |= {shard.name for earlier in before for shard in earlier.shards}
        shards = sorted(known - {shard.name for shard in manifest.shards})
        found = self._stats(stale_indexes(manifest))  # who may only write needn't remove
        strays = [name for name, stat in found.items() if stat is not None]
        strays += [f"{SHARDS_FOLDER}/{name}" for name in shards]
        in_threads(self._remote.remove, strays, AT_ONCE)
        super().remove_strays(manifest)

    def _stats(self, names: Sequence[str]) -> Stats:
        return dict(zip(names, in_threads(self._remote.stat, names, AT_ONCE), strict=True))

    def _sizes_here(self, manifest: Manifest) -> dict[str, int]:
        """By name, the bytes of those tables and pages whose copy on this machine is whole."""
        return {
            name: (self.path / name).stat().st_size
            for name, digest in manifest.file_hashes().items()
            if sha256_if_readable(self.path / name) == digest
        }

    def _send(self, *names: str) -> None:
        in_threads(lambda name: self._remote.put(self.path / name, name), names, AT_ONCE)

    def _take_over(self) -> None:
        """Make the tables and the manifest here those that are there; a lost table stays lost."""
        manifest_file = self.path / MANIFEST_FILE
        try:
            data = manifest_bytes(self._remote)
        except NotThereError:
            manifest_file.unlink(missing_ok=True)
            return
        manifest = parsed_manifest(data, self._remote.place)
        for table in (manifest.samples, manifest.failures):
            if sha256_if_readable(self.path / table.file) != table.sha256:
                with contextlib.suppress(NotThereError):
                    self._remote.save(table_file(table), self.path / table.file)
        write_atomic(manifest_file, data)

    def _check_as_seen(self) -> None:
        self._take_over()
        super()._check_as_seen()

    def _check_foreign(self) -> None:
        """Files of others could have the names of ours; which others there are is not asked."""
        if self.is_begun or (self.path / MANIFEST_FILE).exists():
            return
        names = sorted({*TABLES, *PAGE_FILES} - {MANIFEST_FILE})
        foreign = [name for name, found in self._stats(names).items() if found is not None]
        if foreign:
            raise UsageError(
                f"--out {self.place}: holds {', '.join(foreign)} but no {MANIFEST_FILE}: name "
                "another URL, or remove them if they are of an expansion that was interrupted on "
                "another machine"
            )


def _of_other_size(found: Stats, sizes: Mapping[str, int]) -> list[str]:
    """What is there, but not in the size that it must have."""
    return [
        name
        for name, stat in found.items()
        if stat is not None and name in sizes and stat.bytes != sizes[name]
    ]
