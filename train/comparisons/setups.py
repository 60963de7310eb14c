"""From an arm to the training that uses it: the same options for all, but for where views are."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from augcli.manifests.arrays import numbers
from augcli.manifests.hashing import fingerprint
from augcli.manifests.manifest import SHARDS_FOLDER
from augcli.train.comparisons.config import SHARED_OPTIONS, AblateConfig, BenchmarkConfig
from augcli.train.comparisons.expanding import Stored
from augcli.train.comparisons.measurements import NONE, ORIGINALS, SHARDS, Arm
from augcli.train.config import NONE as NO_CHOICE
from augcli.train.config import TrainConfig
from augcli.train.remaking import source_files
from augcli.train.stored_samples import StoredSamples
from augcli.train.sweeps.config import HOW_ONLY

IN_MEMORY = "auto"
"""What trainings keep: decoded images that fit. No result depends on it."""
_OF_POLICY = frozenset(("policy", "class_policy"))


class Setups:
    """The trainings of a benchmark."""

    def __init__(self, config: BenchmarkConfig, stored: Mapping[str, Stored]) -> None:
        """`stored` are by policy; any of them has the images that arm `none` wants."""
        self._config, self._stored = config, stored

    def stored(self, arm: Arm) -> Stored:
        """The expansion that an arm reads: its views, its originals, or the test images."""
        return self._stored.get(arm.policy) or next(iter(self._stored.values()))

    def training(
        self,
        arm: Arm,
        seed: int = 0,
        *,
        lr: float | None = None,
        memory: str = IN_MEMORY,
        out: Path | None = None,
    ) -> TrainConfig:
        """The training of `arm`, with a learning rate of its own, or else the optimiser's."""
        reads_files = arm.source not in (SHARDS, ORIGINALS)
        return TrainConfig(
            **shared_options(self._config),
            source="on-the-fly" if arm.source == ORIGINALS else arm.source,
            shards=str(self.stored(arm).folder),
            data=self._config.data if reads_files else None,
            from_originals=arm.source == ORIGINALS,
            rounds=arm.rounds if arm.source == SHARDS else None,
            residual=arm.residual or NO_CHOICE,
            lr=lr,
            seed=seed,
            memory=memory,
            out=out,
        )

    def files(self, arm: Arm) -> list[Path]:
        """What training reads, beside tables."""
        stored = self.stored(arm)
        if arm.source not in (SHARDS, ORIGINALS):
            return sorted({file.path for file in self._sources(arm)})
        assert arm.rounds is not None
        shards = (s for s in stored.manifest.shards_of("train") if s.round < arm.rounds)
        return [stored.folder / SHARDS_FOLDER / shard.name for shard in shards]

    def bytes_per_view(self, arm: Arm) -> float:
        """Of encoded images, read for one view."""
        if arm.source not in (SHARDS, ORIGINALS):
            sizes = [file.path.stat().st_size for file in self._sources(arm)]
            return statistics.fmean(sizes)
        rows = self._samples(arm).of_split("train", ("round", "length"))
        first = rows.filter(pc.less(rows.column("round"), arm.rounds))
        return float(numbers(first.column("length")).mean())

    def views_identity(self, arm: Arm) -> str:
        """A hash of what decides the arm's views and the images that it is evaluated on.

        How many rounds are stored beyond those that it reads is no part of it.
        """
        return views_identity(self.stored(arm), policy=arm.source != NONE)

    def _samples(self, arm: Arm) -> StoredSamples:
        stored = self.stored(arm)
        return StoredSamples(stored.folder, stored.manifest)

    def _sources(self, arm: Arm) -> list[Any]:
        return source_files(self._samples(arm), self.stored(arm).manifest, self._config.data)


def shared_options(config: BenchmarkConfig | AblateConfig) -> dict[str, Any]:
    """Options of a comparison that are those of all its trainings, which have one size."""
    return {
        **{name: getattr(config, name) for name in (*SHARED_OPTIONS, "workers", "device")},
        "sizes": NO_CHOICE,
    }


def views_identity(stored: Stored, *, policy: bool) -> str:
    """A hash of what decides the images of all splits and, with `policy`, the augmented views."""
    return fingerprint(_deciding_lines(stored, policy=policy))


def _deciding_lines(stored: Stored, *, policy: bool) -> Iterator[str]:
    manifest = stored.manifest
    left_out = {"copies"} | (set() if policy else _OF_POLICY)
    for name, value in sorted(manifest.options.items()):
        if name not in left_out:
            yield f"{name}={value!r}"
    if policy:
        yield repr(manifest.policy)
    yield repr(sorted(manifest.versions.items()))
    samples = StoredSamples(stored.folder, manifest)
    for split, record in manifest.splits.items():
        names = ("key", "label", "source_sha256")
        rows = samples.of_split(split, names).slice(0, record.views_per_round)
        columns = [rows.column(name).to_pylist() for name in names]
        yield from (f"{split}\0{row}" for row in zip(*columns, strict=True))


def deciding(config: TrainConfig) -> dict[str, Any]:
    """The options of a training that decide its result and are not the defaults.

    But for the policy, which is a part of what decides its views.
    """
    return {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if field.name not in (*HOW_ONLY, "policy") and getattr(config, field.name) != field.default
    }
