"""What the shards of an expansion add up to; fed part by part, so that memory stays flat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from augcli.manifests.lookup import DIGEST_BYTES, as_digests
from augcli.manifests.manifest import ShardRecord
from augcli.manifests.reference import Failure
from augcli.manifests.sample_list import SPLITS, PackedTexts, Sample
from augcli.manifests.samples import Columns


class Totals:
    """Counts and lists for the manifest."""

    def __init__(self, classes: int) -> None:
        self.shards: list[ShardRecord] = []
        self.failures: list[Failure] = []
        self.blank: set[str] = set()
        self.image_bytes = 0
        self.views: Counter[str] = Counter()
        self.samples: dict[str, list[int]] = {split: [0] * classes for split in SPLITS}
        self.first_round: dict[str, list[int]] = {split: [0] * classes for split in SPLITS}
        self._trained = bytearray()
        self._evaluated = bytearray()
        self._sources = PackedTexts()  # of those that are evaluated on

    def add(self, shards: tuple[ShardRecord, ...], columns: Columns) -> None:
        """Count published shards and their rows."""
        self.shards += shards
        self.image_bytes += sum(columns["length"])
        for shard in shards:
            self.views[shard.split] += shard.views
        for sample, digest, repeats in _first_rounds(columns):
            self.samples[sample.split][sample.label] += 1
            self.first_round[sample.split][sample.label] += repeats
            known = bytes.fromhex(digest)[:DIGEST_BYTES]
            if sample.split == "train":
                self._trained += known
            else:
                self._evaluated += known
                self._sources.append(sample.source)

    def leaks(self) -> list[str]:
        """Sources of validation and test images whose bytes are those of a training image."""
        is_leak = np.isin(as_digests(self._evaluated), as_digests(self._trained))
        return sorted(self._sources.at(np.flatnonzero(is_leak)))


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
