"""`augcli expand`: from a reference dataset to shards, samples, failures, card and manifest."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from augcli.augment.config import ExpandConfig, default_policy
from augcli.augment.dataset_folder import DatasetFolder
from augcli.augment.encode import codec_named
from augcli.augment.engines import default_workers, run_tasks
from augcli.augment.finish import finish
from augcli.augment.fit import Fit
from augcli.augment.identity import Identity
from augcli.augment.plan import Plan, Task, make_plan
from augcli.augment.policy import PolicySpec, resolve_policy
from augcli.augment.reference_data import load_reference
from augcli.augment.summary import duplicate_lines
from augcli.augment.task import Job, TaskSummary, run_task
from augcli.augment.views import Recipe
from augcli.manifests.cache import remember_root
from augcli.manifests.duplicates import KINDS, DuplicateGroup, find_duplicates, without_duplicates
from augcli.manifests.errors import UsageError
from augcli.manifests.manifest import OPTIONS, Manifest, read_manifest
from augcli.manifests.reference import SPLITS, Reference, classes_without
from augcli.manifests.settings import check_settings
from augcli.manifests.versions import PIXEL_PACKAGES, package_versions

Report = Callable[["Progress"], None]


@dataclass(frozen=True)
class Progress:
    """How far an expansion is: counts of views, and of images that failed."""

    views_done: int
    views_planned: int
    failures: int


@dataclass(frozen=True)
class ExpandResult:
    """What an expansion made, or (dry run) would make.

    `seconds` is the whole call; `views_made` leaves out what an earlier, interrupted run had
    finished. `dry_run` results have a plan and no manifest. `duplicates` were found among the
    images; under `deduped` the reference is without them.
    """

    dataset: Path
    reference: Reference
    plan: Plan
    policy_transforms: tuple[str, ...]
    manifest: Manifest | None
    seconds: float
    views_made: int
    duplicates: tuple[DuplicateGroup, ...]
    deduped: bool

    def to_json(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        made = self.manifest
        splits: dict[str, Any] = {}
        for split in SPLITS:
            tasks = [task for task in self.plan.tasks if task.split == split]
            splits[split] = {
                "images": sum(len(task.samples) for task in tasks),
                "views": sum(task.views for task in tasks),
                "shards": sum(len(task.shards) for task in tasks),
                "per_class": list(self.reference.class_counts(split)),
            }
            if made is not None:
                record = made.splits[split]
                splits[split] |= {
                    "images": record.samples,
                    "views": record.views,
                    "shards": len(made.shards_of(split)),
                    "per_class": list(record.per_class),
                }
        content: dict[str, Any] = {
            "dataset": str(self.dataset),
            "dry_run": made is None,
            "classes": list(self.reference.classes),
            "splits": splits,
            "rounds": self.plan.rounds,
            "shard_size": self.plan.shard_size,
            "transforms": list(self.policy_transforms),
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
            "seconds": round(self.seconds, 3),
        }
        if made is not None:
            content |= {
                "reference": asdict(made.reference),
                "bytes": dict(made.bytes),
                "views_made": self.views_made,
                "views_per_second": round(self.views_made / self.seconds, 1),
            }
        return content


def expand(
    config: ExpandConfig,
    report: Report | None = None,
    tell: Callable[[str], None] | None = None,
) -> ExpandResult:
    """Expand a reference dataset; rerunning finishes an interrupted expansion.

    `tell` hears, a line at a time, what the user may want to mend before hours of work.

    Raises:
        UsageError: a bad option, policy or dataset, or a target folder that holds other things.
        AugcliError: no usable images, an unusable one under `on_error="fail"`, a rerun with other
            options, sources or library versions, or a file that can't be written.
    """
    started = time.perf_counter()
    config = check_settings(config)
    _check_rounds(config)
    policy = resolve_policy(config.policy or default_policy(config.data), config.size)
    reference = load_reference(
        config.data, val_fraction=config.val_fraction, test_fraction=config.test_fraction
    )
    _check_outside(config, reference)
    duplicates = find_duplicates(reference)
    if tell is not None and not config.dry_run:
        for line in duplicate_lines(duplicates, config.dedupe):
            tell(line)
    if config.dedupe:
        reference = without_duplicates(reference, duplicates)
    plan = make_plan(
        reference,
        copies=config.copies,
        originals=config.originals,
        shard_size=config.shard_size,
    )
    transforms = policy.build().transform_names
    if config.dry_run:
        seconds = time.perf_counter() - started
        return ExpandResult(
            config.out, reference, plan, transforms, None, seconds, 0, duplicates, config.dedupe
        )
    recipe = Recipe(Fit(config.size, config.fit), policy, config.seed, config.max_megapixels)
    job = Job(
        dataset=config.out,
        root=reference.root,
        classes=reference.classes,
        recipe=recipe,
        codec=config.codec,
        quality=config.quality,
        fail_on_error=config.on_error == "fail",
    )
    identity = _identity(config, plan, reference, policy)
    made = _make(job, plan, reference, identity, config, report)
    remember_root(identity.fingerprint, reference.root)
    seconds = time.perf_counter() - started
    manifest = read_manifest(config.out)
    return ExpandResult(
        config.out, reference, plan, transforms, manifest, seconds, made, duplicates, config.dedupe
    )


def _make(
    job: Job,
    plan: Plan,
    reference: Reference,
    identity: Identity,
    config: ExpandConfig,
    report: Report | None,
) -> int:
    """Make what isn't there yet; the number of views made."""
    folder = DatasetFolder(config.out, identity)
    if folder.is_complete(job):
        return 0
    with folder.open():
        made = _run(job, folder.unfinished(job, plan.tasks), plan, config, report)
        finish(job, plan, reference, identity)
    return made


def _check_outside(config: ExpandConfig, reference: Reference) -> None:
    """Outputs in a folder of images would be images of the next run."""
    is_folder = config.data is not None and Path(config.data).is_dir()
    if is_folder and config.out.resolve().is_relative_to(reference.root.resolve()):
        raise UsageError(
            f"--out {config.out}: lies inside --data {config.data}; name a folder outside it"
        )


def _check_rounds(config: ExpandConfig) -> None:
    if config.copies < 1 and not config.originals:
        raise UsageError("--copies 0 with --no-originals makes nothing: ask for at least one")


def _identity(
    config: ExpandConfig, plan: Plan, reference: Reference, policy: PolicySpec
) -> Identity:
    packages: tuple[str, ...] = PIXEL_PACKAGES
    if "augcli.augment.autoaugment" in policy.text:
        packages = (*PIXEL_PACKAGES, "torch", "torchvision")
    resolved = {
        "policy": policy.name,
        "shard_size": plan.shard_size,
        "quality": None if codec_named(config.codec).lossless else config.quality,
    }
    return Identity(
        options={name: resolved.get(name, getattr(config, name)) for name in OPTIONS},
        policy=policy.serialized,
        versions=package_versions(packages),
        classes=reference.classes,
        fingerprint=reference.fingerprint(),
    )


def _run(
    job: Job, tasks: list[Task], plan: Plan, config: ExpandConfig, report: Report | None
) -> int:
    """Run the unfinished tasks; the number of views made."""
    workers = config.workers or default_workers()
    done = plan.views - sum(task.views for task in tasks)
    made = failures = 0
    for summary in run_tasks(_JobRunner(job), tasks, workers):
        made += summary.views
        failures += summary.failures
        if report is not None:
            report(Progress(done + made, plan.views, failures))
    return made


@dataclass(frozen=True)
class _JobRunner:
    """`run_task` of one job, in a form that can be sent to workers."""

    job: Job

    def __call__(self, task: Task) -> TaskSummary:
        return run_task(self.job, task)
