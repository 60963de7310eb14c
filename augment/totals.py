"""What the shards of an expansion add up to; fed part by part, so that memory stays flat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from augcli.manifests.manifest import ShardRecord
from augcli.manifests.reference import SPLITS, Failure, Sample
from augcli.manifests.samples import Columns


class Totals:
    """Counts and lists for the manifest."""

    def __init__(self, classes: int) -> None:
        self.shards: list[ShardRecord] = []
        self.failures: list[Failure] = []
        self.blank: set[str] = set()
        self.leaks: set[str] = set()
        self.image_bytes = 0
        self.views: Counter[str] = Counter()
        self.samples: dict[str, list[int]] = {split: [0] * classes for split in SPLITS}
        self.first_round: dict[str, list[int]] = {split: [0] * classes for split in SPLITS}
        self._trained: set[str] = set()

    def add(self, shards: tuple[ShardRecord, ...], columns: Columns) -> None:
        """Count published shards and their rows; the training split comes first."""
        self.shards += shards
        self.image_bytes += sum(columns["length"])
        for shard in shards:
            self.views[shard.split] += shard.views
        for sample, digest, repeats in _first_rounds(columns):
            self.samples[sample.split][sample.label] += 1
            self.first_round[sample.split][sample.label] += repeats
            if sample.split == "train":
                self._trained.add(digest)
            elif digest in self._trained:
                self.leaks.add(sample.source)


def _first_rounds(columns: Columns) -> Iterator[tuple[Sample, str, int]]:
    """Sample, hash of its image and views in round 0, of all samples in these rows."""
    views = Counter(
        key for key, number in zip(columns["key"], columns["round"], strict=True) if number == 0
    )
    names = ("key", "source", "split", "label", "source_sha256")
    seen: set[str] = set()
    for key, source, split, label, digest in zip(*(columns[n] for n in names), strict=True):
        if key in views and key not in seen:
            seen.add(key)
            yield Sample(key, source, split, label), digest, views[key]
