"""`augcli verify URL`: every file fetched whole, held against its record, and not kept."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from augcli.manifests.errors import AugcliError
from augcli.manifests.files import write_atomic
from augcli.manifests.manifest import (
    MANIFEST_FILE,
    SAMPLES_FILE,
    SHARDS_FOLDER,
    Manifest,
    ShardRecord,
    is_shard_name,
)
from augcli.manifests.samples_file import SamplesFile
from augcli.shards.connection import NotThereError
from augcli.shards.fault import Fault
from augcli.shards.fetching import OtherBytesError, RemoteFile, RemoteFolder
from augcli.shards.remote_dataset import manifest_bytes, parsed_manifest, table_file
from augcli.shards.shard_rows import Rows, ShardAndRows, portions, shard_rows
from augcli.shards.tar_faults import tar_faults
from augcli.shards.verification import Report, Verification, shard_faults, table_faults

AT_ONCE = 4
"""Shards on their way or looked at, each a file on this machine's disk."""

_MOST_PAGE_BYTES = 1 << 28


def verify_url(url: str, report: Report | None = None) -> Verification:
    """Check the expanded dataset at a URL against its manifest, as `verify` does in a folder.

    Whose files are none of the manifest's is told where the URL's protocol has listings and they
    are allowed. `report` hears how many of the shards are done.

    Raises:
        UsageError: a URL that isn't read, or its driver isn't installed.
        AugcliError: there is no dataset in shards, or it can't be fetched.
    """
    remote = RemoteFolder(url)
    data = manifest_bytes(remote)
    manifest = parsed_manifest(data, remote.place)
    with tempfile.TemporaryDirectory(prefix="augcli-") as temporary:
        dataset = Path(temporary)
        (dataset / SHARDS_FOLDER).mkdir()
        write_atomic(dataset / MANIFEST_FILE, data)
        remote.save(table_file(manifest.samples), dataset / SAMPLES_FILE)
        foreign = _foreign(remote, manifest)
        growing = any(_may_be_of_growth(name) for name in foreign)
        faults = [
            Fault(name, "does not belong to the dataset")
            for name in foreign
            if not _may_be_of_growth(name)
        ]
        with closing(SamplesFile(dataset / SAMPLES_FILE)) as table:
            views = table.rows
            faults += _page_faults(remote, dataset, manifest)
            faults += table_faults(dataset, manifest, table)
            found: dict[ShardRecord, list[Fault]] = {}
            for shard, those in _looked_at(remote, dataset, shard_rows(manifest, table)):
                found[shard] = those
                if report is not None:
                    report(len(found), len(manifest.shards))
    faults += shard_faults(manifest, found)
    return Verification(remote.place, len(manifest.shards), views, tuple(faults), growing)


def _looked_at(
    remote: RemoteFolder, dataset: Path, shards: Iterable[ShardAndRows]
) -> Iterator[tuple[ShardRecord, list[Fault]]]:
    """The faults of each shard, `AT_ONCE` of them fetched side by side."""

    def look(shard_and_rows: ShardAndRows) -> tuple[ShardRecord, list[Fault]]:
        shard, rows = shard_and_rows
        return shard, _shard_faults(remote, dataset, shard, rows)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        for some in portions(shards):
            yield from threads.map(look, some)


def _page_faults(remote: RemoteFolder, dataset: Path, manifest: Manifest) -> Iterator[Fault]:
    for name, digest in manifest.file_hashes().items():
        if name != SAMPLES_FILE:
            page = RemoteFile(name, digest, None, _MOST_PAGE_BYTES)
            yield from _fetched(remote, page, dataset / "page")


def _shard_faults(
    remote: RemoteFolder, dataset: Path, shard: ShardRecord, rows: Rows
) -> list[Fault]:
    where = f"{SHARDS_FOLDER}/{shard.name}"
    found = _fetched(
        remote, RemoteFile(where, shard.sha256, shard.bytes, shard.bytes), dataset / where
    )
    found += tar_faults(dataset, shard, rows)
    (dataset / where).unlink(missing_ok=True)
    return found


def _fetched(remote: RemoteFolder, file: RemoteFile, path: Path) -> list[Fault]:
    """Fetch a file that may be missing, or another one."""
    try:
        remote.save(file, path)
    except NotThereError:
        return [Fault(file.name, "is missing")]
    except OtherBytesError as error:
        what = str(error).removeprefix(f"{remote.place / file.name}: ").partition(", twice")[0]
        return [Fault(file.name, what)]
    return []


def _foreign(remote: RemoteFolder, manifest: Manifest) -> list[str]:
    """Files that are none of the manifest's, as far as they can be listed."""
    known = {MANIFEST_FILE, *manifest.file_hashes()}
    known |= {f"{SHARDS_FOLDER}/{shard.name}" for shard in manifest.shards}
    return sorted(set(_names(remote)) - known)


def _may_be_of_growth(name: str) -> bool:
    folder, _, file = name.rpartition("/")
    return folder == SHARDS_FOLDER and is_shard_name(file)


def _names(remote: RemoteFolder) -> Collection[str]:
    """All files; none where they can't be listed."""
    if remote.connection.protocol in ("http", "https"):
        return ()
    try:
        return remote.listed()
    except AugcliError:
        return ()
