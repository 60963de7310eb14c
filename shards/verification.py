"""`augcli verify`: every law that a manifest can prove, proved; the rest as a list of faults."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from augcli.manifests.manifest import MANIFEST_FILE, SAMPLES_FILE, read_manifest
from augcli.manifests.samples import find_leaks, read_samples, rows_of
from augcli.shards.fault import Fault
from augcli.shards.file_faults import foreign_files, lost_files
from augcli.shards.row_faults import row_faults
from augcli.shards.tar_faults import tar_faults

__all__ = ["Fault", "Verification", "verify"]

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Verification:
    """The outcome: no faults means that every check below was made and held."""

    dataset: Path
    shards: int
    views: int
    faults: tuple[Fault, ...]

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        return {
            "dataset": str(self.dataset),
            "ok": not self.faults,
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
    manifest = read_manifest(dataset)
    faults = [*lost_files(dataset, manifest), *foreign_files(dataset, manifest)]
    rows = rows_of(read_samples(dataset / SAMPLES_FILE))
    faults += row_faults(manifest, rows)
    if tuple(sorted(find_leaks(dataset / SAMPLES_FILE))) != manifest.reference.leaks:
        faults.append(Fault(MANIFEST_FILE, "reference.leaks differs from the images' hashes"))
    by_shard = defaultdict(list)
    for row in rows:
        by_shard[row.shard].append(row)
    for number, shard in enumerate(manifest.shards):
        faults += tar_faults(dataset, shard, by_shard[shard.name])
        if report is not None:
            report(number + 1, len(manifest.shards))
    return Verification(dataset, len(manifest.shards), len(rows), tuple(faults))
