"""`augcli verify`: every law that a manifest can prove, proved; the rest as a list of faults."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from augcli.manifests.manifest import (
    MANIFEST_FILE,
    SAMPLES_FILE,
    WORK_FOLDER,
    Manifest,
    read_manifest,
)
from augcli.manifests.samples import ViewRow
from augcli.manifests.samples_file import find_leaks, read_samples, rows_of
from augcli.shards.fault import Fault
from augcli.shards.file_faults import foreign_files, lost_files
from augcli.shards.row_faults import row_faults
from augcli.shards.tar_faults import tar_faults
from augcli.shards.urls import Place
from augcli.shards.view_files import folder_faults

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
    rows = rows_of(read_samples(dataset / SAMPLES_FILE))
    is_tar = manifest.options["format"] == "tar"
    view_files = () if is_tar else {row.shard for row in rows}
    faults = list(lost_files(dataset, manifest))
    faults += foreign_files(dataset, manifest, view_files, growing=growing)
    faults += table_faults(dataset, manifest, rows)
    by_shard = rows_by_shard(manifest, rows)
    faults_of = tar_faults if is_tar else folder_faults
    for number, shard in enumerate(manifest.shards):
        faults += (
            replace(fault, shard=shard.name)
            for fault in faults_of(dataset, shard, by_shard[shard.name])
        )
        if report is not None:
            report(number + 1, len(manifest.shards))
    return Verification(dataset, len(manifest.shards), len(rows), tuple(faults), growing)


def table_faults(dataset: Path, manifest: Manifest, rows: Sequence[ViewRow]) -> Iterator[Fault]:
    """What the manifest and the table of samples, which has these rows, say of each other."""
    yield from row_faults(manifest, rows)
    if tuple(sorted(find_leaks(dataset / SAMPLES_FILE))) != manifest.reference.leaks:
        yield Fault(MANIFEST_FILE, "reference.leaks differs from the images' hashes")


def rows_by_shard(manifest: Manifest, rows: Sequence[ViewRow]) -> Mapping[str, list[ViewRow]]:
    """The rows of each shard that the manifest lists.

    In the folder format rows name files: they are dealt out as the table has them.
    """
    by_shard = defaultdict(list)
    if manifest.options["format"] == "tar":
        for row in rows:
            by_shard[row.shard].append(row)
        return by_shard
    first = 0
    for shard in manifest.shards:
        by_shard[shard.name] = list(rows[first : first + shard.views])
        first += shard.views
    return by_shard
