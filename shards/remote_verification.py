"""`augcli verify URL`: every file fetched whole, held against its record, and not kept."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
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
from augcli.manifests.samples import ViewRow
from augcli.manifests.samples_file import read_samples, rows_of
from augcli.shards.connection import NotThereError
from augcli.shards.fault import Fault
from augcli.shards.fetching import OtherBytesError, RemoteFile, RemoteFolder
from augcli.shards.remote_dataset import manifest_bytes, parsed_manifest, table_file
from augcli.shards.tar_faults import tar_faults
from augcli.shards.verification import Report, Verification, rows_by_shard, table_faults

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
        rows = rows_of(read_samples(dataset / SAMPLES_FILE))
        foreign = _foreign(remote, manifest)
        growing = any(_may_be_of_growth(name) for name in foreign)
        faults = [
            Fault(name, "does not belong to the dataset")
            for name in foreign
            if not _may_be_of_growth(name)
        ]
        faults += _page_faults(remote, dataset, manifest)
        faults += table_faults(dataset, manifest, rows)
        by_shard = rows_by_shard(manifest, rows)

        def look(shard: ShardRecord) -> list[Fault]:
            return _shard_faults(remote, dataset, shard, by_shard[shard.name])

        with ThreadPoolExecutor(AT_ONCE) as threads:
            for done, found in enumerate(threads.map(look, manifest.shards), start=1):
                faults += found
                if report is not None:
                    report(done, len(manifest.shards))
    return Verification(remote.place, len(manifest.shards), len(rows), tuple(faults), growing)


def _page_faults(remote: RemoteFolder, dataset: Path, manifest: Manifest) -> Iterator[Fault]:
    for name, digest in manifest.file_hashes().items():
        if name != SAMPLES_FILE:
            page = RemoteFile(name, digest, None, _MOST_PAGE_BYTES)
            yield from _fetched(remote, page, dataset / "page")


def _shard_faults(
    remote: RemoteFolder, dataset: Path, shard: ShardRecord, rows: list[ViewRow]
) -> list[Fault]:
    where = f"{SHARDS_FOLDER}/{shard.name}"
    file = RemoteFile(where, shard.sha256, shard.bytes, shard.bytes)
    found = _fetched(remote, file, dataset / where, shard.name)
    found += (
        Fault(fault.where, fault.what, shard.name) for fault in tar_faults(dataset, shard, rows)
    )
    (dataset / where).unlink(missing_ok=True)
    return found


def _fetched(remote: RemoteFolder, file: RemoteFile, path: Path, shard: str = "") -> list[Fault]:
    """Fetch a file that may be missing, or another one."""
    try:
        remote.save(file, path)
    except NotThereError:
        return [Fault(file.name, "is missing", shard)]
    except OtherBytesError as error:
        what = str(error).removeprefix(f"{remote.place / file.name}: ").partition(", twice")[0]
        return [Fault(file.name, what, shard)]
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
