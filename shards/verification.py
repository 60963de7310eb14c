"""`augcli verify`: every law that a manifest can prove, proved; the rest as a list of faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from augcli.manifests.manifest import (
    MANIFEST_FILE,
    SAMPLES_FILE,
    WORK_FOLDER,
    Manifest,
    ShardRecord,
    read_manifest,
)
from augcli.manifests.samples_file import SamplesFile
from augcli.shards.fault import Fault
from augcli.shards.file_faults import foreign_files, lost_files
from augcli.shards.leaks import find_leaks
from augcli.shards.name_set import NameSet
from augcli.shards.row_faults import row_faults
from augcli.shards.shard_rows import shard_rows
from augcli.shards.tar_faults import tar_faults
from augcli.shards.urls import Place
from augcli.shards.view_files import folder_faults, view_files

__all__ = ["Fault", "Verification", "verify"]

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Verification:
    """The outcome: no faults means that every check below was made and held.

    `growing`: an expansion is adding to the dataset, or was interrupted; what it has made so far is
    not part of it yet.
    """

    dataset: Path | Place
    shards: int
    views: int
    faults: tuple[Fault, ...]
    growing: bool = False

    @property
    def broken(self) -> tuple[str, ...]:
        """The shards that are not as they were published, in the order of the manifest."""
        return tuple(dict.fromkeys(fault.shard for fault in self.faults if fault.shard))

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            "dataset": str(self.dataset),
            "ok": not self.faults,
            "growing": self.growing,
            "shards": self.shards,
            "views": self.views,
            "faults": [asdict(fault) for fault in self.faults],
        }


def verify(dataset: Path, report: Report | None = None) -> Verification:
    """Check an expanded dataset against its manifest: files, counts, splits, rounds, seeds, bytes.

    `report` hears how many of the shards are done.

    Raises:
        AugcliError: there is no readable manifest or table of samples to check against.
    """
    dataset = Path(dataset)
    growing = (dataset / WORK_FOLDER).is_dir()
    manifest = read_manifest(dataset)
    is_tar = manifest.options["format"] == "tar"
    faults_of = tar_faults if is_tar else folder_faults
    found: dict[ShardRecord, list[Fault]] = {}
    with closing(SamplesFile(dataset / SAMPLES_FILE)) as table:
        views = table.rows
        files = NameSet(()) if is_tar else view_files(table)
        faults = list(lost_files(dataset, manifest))
        faults += foreign_files(dataset, manifest, files, growing=growing)
        faults += table_faults(dataset, manifest, table)
        for done, (shard, rows) in enumerate(shard_rows(manifest, table), start=1):
            found[shard] = list(faults_of(dataset, shard, rows))
            if report is not None:
                report(done, len(manifest.shards))
    faults += shard_faults(manifest, found)
    return Verification(dataset, len(manifest.shards), views, tuple(faults), growing)


def table_faults(dataset: Path, manifest: Manifest, table: SamplesFile) -> Iterator[Fault]:
    """What the manifest and the table of samples say of each other."""
    yield from row_faults(manifest, table)
    if find_leaks(dataset / SAMPLES_FILE) != manifest.reference.leaks:
        yield Fault(MANIFEST_FILE, "reference.leaks differs from the images' hashes")


def shard_faults(
    manifest: Manifest, found: Mapping[ShardRecord, Sequence[Fault]]
) -> Iterator[Fault]:
    """What was found of each shard, in the order of the manifest, and whose it is."""
    for shard in manifest.shards:
        yield from (replace(fault, shard=shard.name) for fault in found[shard])
