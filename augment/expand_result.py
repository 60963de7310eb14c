"""What an expansion made, or would make: for programs and for people."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from augcli.augment.estimate import Estimate
from augcli.augment.plan import Plan
from augcli.augment.preparing import Prepared
from augcli.manifests.balance import views_per_round
from augcli.manifests.duplicates import KINDS, DuplicateGroup
from augcli.manifests.manifest import Manifest
from augcli.manifests.reference import Reference, classes_without
from augcli.manifests.sample_list import SPLITS
from augcli.shards.urls import Place


@dataclass(frozen=True)
class ExpandResult:
    """What an expansion made, or (dry run) would make.

    `seconds` is the whole call; `views_made` leaves out what an earlier run had finished, `written`
    says whether any file was written or removed.
    `estimate` is what was expected before the work (None: there was none), `worker_bytes` the most
    memory of a worker process. Dry runs have no manifest.
    """

    prepared: Prepared
    estimate: Estimate | None
    manifest: Manifest | None
    seconds: float
    views_made: int
    written: bool
    worker_bytes: int | None

    @property
    def dataset(self) -> Path | Place:
        """The folder of the expanded dataset, or its URL as people may see it."""
        return self.prepared.folder.place

    @property
    def reference(self) -> Reference:
        """The images that were, or would be, expanded."""
        return self.prepared.reference

    @property
    def plan(self) -> Plan:
        """All that is to be there in the end."""
        return self.prepared.plan

    @property
    def duplicates(self) -> tuple[DuplicateGroup, ...]:
        """Images that are there more than once; under `deduped` the reference is without them."""
        return self.prepared.duplicates

    @property
    def deduped(self) -> bool:
        """Whether duplicates were dropped."""
        return self.prepared.config.dedupe

    @property
    def compiled(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Of each policy, (whose it is, [(transforms, how they are carried out), …])."""
        policies = {"": self.prepared.policy, **self.prepared.class_policies}
        return [(name, spec.build().explained()) for name, spec in policies.items()]

    @property
    def balance(self) -> list[tuple[str, int, int]]:
        """Of each class: its name, training samples, and views per round."""
        reference = self.reference
        views = views_per_round(reference.of_split("train"), self.prepared.repeats)
        return list(zip(reference.classes, reference.class_counts("train"), views, strict=True))

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        made, prepared = self.manifest, self.prepared
        content: dict[str, Any] = {
            "dataset": str(self.dataset),
            "dry_run": made is None,
            "classes": list(self.reference.classes),
            "splits": {split: self._split(split) for split in SPLITS},
            "rounds": self.plan.rounds,
            "shard_size": self.plan.shard_size,
            "transforms": [name for _, runs in self.compiled[:1] for name, _ in runs],
            "compiled": [
                {"class": name or None, "transforms": transforms, "how": how}
                for name, runs in self.compiled
                for transforms, how in runs
            ],
            "balance": [
                {"class": name, "samples": samples, "views_per_round": views}
                for name, samples, views in self.balance
            ],
            "skipped": len(self.reference.skipped),
            "duplicates": {
                "dropped": self.deduped,
                "images": {
                    kind: sum(group.kind == kind for group in self.duplicates) for kind in KINDS
                },
                "groups": [
                    {"kind": group.kind, "sources": list(group.sources)}
                    for group in self.duplicates
                ],
            },
            "classes_without": {
                split: list(classes_without(self.reference, split)) for split in ("val", "test")
            },
            "estimate": asdict(self.estimate) if self.estimate else None,
            "changes": asdict(prepared.changes) if prepared.changes else None,
            "seconds": round(self.seconds, 3),
        }
        if made is not None:
            content |= {
                "reference": asdict(made.reference),
                "bytes": dict(made.bytes),
                "written": self.written,
                "views_made": self.views_made,
                "views_per_second": round(self.views_made / self.seconds, 1),
                "worker_bytes": self.worker_bytes,
            }
        return content

    def _split(self, split: str) -> dict[str, Any]:
        tasks = [task for task in self.plan.tasks if task.split == split]
        planned = {
            "images": sum(len(task.samples) for task in tasks if task.first),
            "views": sum(task.views for task in tasks),
            "shards": sum(len(task.shards) for task in tasks),
            "per_class": list(self.reference.class_counts(split)),
        }
        if self.manifest is None:
            return planned
        record = self.manifest.splits[split]
        return {
            "images": record.samples,
            "views": record.views,
            "shards": len(self.manifest.shards_of(split)),
            "per_class": list(record.per_class),
        }
