"""From the options to everything that an expansion needs to know before the first pixel is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from augcli.augment.clusters import check_engine
from augcli.augment.config import ExpandConfig, default_policy
from augcli.augment.dataset_folder import DatasetFolder, refuse_differences
from augcli.augment.earlier import Changes, Earlier, check_changes, usable
from augcli.augment.encode import codec_named
from augcli.augment.fit import Fit
from augcli.augment.identity import Identity, differences, growth_differences, identity_of
from augcli.augment.plan import Plan, RoundShard, Task, default_shard_size, make_plan
from augcli.augment.policy import PolicySpec, resolve_policy
from augcli.augment.reference_data import load_reference, named_by_url
from augcli.augment.remote_folder import check_remote, dataset_folder
from augcli.augment.stores import store_named
from augcli.augment.summary import duplicate_lines
from augcli.augment.task import Job
from augcli.augment.views import Recipe
from augcli.manifests.balance import ClassRepeats, balanced
from augcli.manifests.duplicates import DuplicateGroup, find_duplicates, without_duplicates
from augcli.manifests.errors import UsageError, unknown_name
from augcli.manifests.keys import class_folders
from augcli.manifests.options import OPTIONS
from augcli.manifests.reference import Failure, Reference, check_trainable
from augcli.manifests.sample_list import Samples
from augcli.manifests.versions import PIXEL_PACKAGES, package_versions
from augcli.shards.urls import is_url

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Filling:
    """A task of the plan: the shards that are there already, and the part that is to be made."""

    task: Task
    kept: tuple[RoundShard, ...]
    missing: Task | None


@dataclass(frozen=True)
class Prepared:
    """An expansion, ready to be made.

    `failed_before` are images that failed in an earlier run and are left alone; `earlier` is the
    dataset that is added to, and `changes` what became of its images.
    """

    config: ExpandConfig
    reference: Reference
    duplicates: tuple[DuplicateGroup, ...]
    policy: PolicySpec
    class_policies: Mapping[str, PolicySpec]
    repeats: tuple[ClassRepeats, ...]
    plan: Plan
    fillings: tuple[Filling, ...]
    job: Job
    identity: Identity
    folder: DatasetFolder
    earlier: Earlier | None
    changes: Changes | None
    failed_before: tuple[Failure, ...]

    @property
    def missing(self) -> tuple[Task, ...]:
        """The tasks to be made."""
        return tuple(filling.missing for filling in self.fillings if filling.missing is not None)

    @property
    def withdrawn(self) -> tuple[str, ...]:
        """Shards of the earlier dataset that will be made again, or be no more."""
        if self.earlier is None:
            return ()
        kept = {shard.name for filling in self.fillings for shard in filling.kept}
        return tuple(shard.name for shard in self.earlier.manifest.shards if shard.name not in kept)


def prepare(config: ExpandConfig, tell: Tell | None) -> Prepared:
    """Look at everything: options, policies, images, and what is in the folder already.

    Raises:
        UsageError: a bad option, policy or dataset, or a target folder that holds other things.
        AugcliError: no usable images, or what is in the folder was made differently.
    """
    _check_options(config)
    folder = dataset_folder(config.out)
    if not config.dry_run:
        folder.check_free()
    earlier = folder.earlier()
    reference, duplicates = _reference(config, tell, earlier)
    policy = resolve_policy(config.policy or default_policy(config.data), config.size)
    class_policies = _class_policies(config, reference)
    size = _shard_size(config, reference, earlier)
    identity = _identity(config, size, reference, policy, class_policies)
    if earlier is None:
        start = _anew(config, reference, identity, folder)
    else:
        start = _grown(config, reference, identity, folder, earlier)
    used = replace(reference, samples=start.samples)
    check_trainable(used)
    if config.format == "folder":
        class_folders(used.classes)
    plan = make_plan(
        used,
        copies=config.copies,
        originals=config.originals,
        shard_size=size,
        repeats=start.repeats,
        extension=store_named(config.format).extension,
        placed=earlier.placed(used.samples) if earlier is not None else None,
    )
    return Prepared(
        config=config,
        reference=reference,
        duplicates=duplicates,
        policy=policy,
        class_policies=class_policies,
        repeats=start.repeats,
        plan=plan,
        fillings=tuple(_filling(task, earlier, start.changes) for task in plan.tasks),
        job=_job(config, folder, reference, policy, class_policies),
        identity=identity,
        folder=folder,
        earlier=earlier,
        changes=start.changes,
        failed_before=start.failed_before,
    )


@dataclass(frozen=True)
class _Start:
    """What the plan begins with: see `Prepared`."""

    samples: Samples
    repeats: tuple[ClassRepeats, ...]
    changes: Changes | None = None
    failed_before: tuple[Failure, ...] = ()


def _anew(
    config: ExpandConfig, reference: Reference, identity: Identity, folder: DatasetFolder
) -> _Start:
    """All images, for a folder in which nothing is finished.

    Raises:
        AugcliError: what has lost a table there was made differently.
    """
    if folder.torn is not None:
        made = identity_of(folder.torn).plain()
        refuse_differences(folder.place, list(differences(made, identity.plain())))
    return _Start(reference.samples, balanced(reference, config.balance))


def _grown(
    config: ExpandConfig,
    reference: Reference,
    identity: Identity,
    folder: DatasetFolder,
    earlier: Earlier,
) -> _Start:
    """The images that are to be used, beside those of the finished dataset in the folder.

    Raises:
        AugcliError: that was made differently, or of images that have changed since.
    """
    before = identity_of(earlier.manifest).plain()
    refuse_differences(folder.place, list(growth_differences(before, identity.plain())))
    changes = earlier.changes(reference)
    with named_by_url(config.data, reference.root):
        check_changes(
            changes,
            reference,
            prune=config.prune,
            refresh=config.refresh,
            retry_failed=config.retry_failed,
        )
    samples, failed_before = usable(reference, earlier, config.retry_failed)
    return _Start(samples, earlier.manifest.repeats, changes, failed_before)


def _shard_size(config: ExpandConfig, reference: Reference, earlier: Earlier | None) -> int:
    if config.shard_size is not None:
        return config.shard_size
    if earlier is not None:
        return int(earlier.manifest.options["shard_size"])
    return default_shard_size(len(reference.of_split("train")))


def _check_options(config: ExpandConfig) -> None:
    if config.copies < 1 and not config.originals:
        raise UsageError("--copies 0 with --no-originals makes nothing: ask for at least one")
    if config.format == "folder" and config.codec == "npy":
        raise UsageError(
            "--format folder is for tools that read images, which arrays (--codec npy) are not: "
            "choose --codec jpeg, png, webp, or --format tar"
        )
    check_engine(config)
    if is_url(str(config.out)):
        check_remote(str(config.out), config.format, config.workers)


def _reference(
    config: ExpandConfig, tell: Tell | None, earlier: Earlier | None
) -> tuple[Reference, tuple[DuplicateGroup, ...]]:
    reference = load_reference(
        config.data, val_fraction=config.val_fraction, test_fraction=config.test_fraction
    )
    if not is_url(str(config.out)):
        check_outside(config.data, Path(config.out), reference)
    duplicates = find_duplicates(reference)
    if tell is not None and not config.dry_run:
        for line in duplicate_lines(duplicates, config.dedupe):
            tell(line)
    if config.dedupe:
        sources = [source for group in duplicates for source in group.sources]
        stored = earlier.known(sources) if earlier is not None else frozenset()
        with named_by_url(config.data, reference.root):
            reference = without_duplicates(reference, duplicates, stored)
    return reference, duplicates


def check_outside(data: str | None, out: Path, reference: Reference) -> None:
    """Outputs in a folder of images would be images of the next run.

    Raises:
        UsageError: `out` lies inside the folder `data`.
    """
    is_folder = data is not None and Path(data).is_dir()
    if is_folder and out.resolve().is_relative_to(reference.root.resolve()):
        raise UsageError(f"--out {out}: lies inside --data {data}; name a folder outside it")


def _class_policies(config: ExpandConfig, reference: Reference) -> dict[str, PolicySpec]:
    policies: dict[str, PolicySpec] = {}
    for text in config.class_policy:
        # A class's name may hold '=', and so may a policy: the classes decide.
        names = [name for name in reference.classes if text.startswith(f"{name}=")]
        if not names:
            name, equals, _ = text.partition("=")
            if not equals:
                raise UsageError(f"--class-policy {text}: expected CLASS=POLICY")
            raise unknown_name("class in --class-policy", name, reference.classes)
        name = max(names, key=len)
        if name in policies:
            raise UsageError(f"--class-policy {text}: the class '{name}' has one already")
        policies[name] = _class_policy(text, text[len(name) + 1 :], config.size)
    return policies


def _class_policy(text: str, policy: str, size: int) -> PolicySpec:
    if not policy.strip():
        raise UsageError(f"--class-policy {text}: expected CLASS=POLICY, no policy is given")
    try:
        return resolve_policy(policy, size)
    except UsageError as error:
        reason = str(error).removeprefix(f"--policy {policy}: ")
        raise UsageError(f"--class-policy {text}: {reason}") from error


def _identity(
    config: ExpandConfig,
    shard_size: int,
    reference: Reference,
    policy: PolicySpec,
    class_policies: Mapping[str, PolicySpec],
) -> Identity:
    packages: tuple[str, ...] = PIXEL_PACKAGES
    texts = (policy.text, *(spec.text for spec in class_policies.values()))
    if any("augcli.augment.autoaugment" in text for text in texts):
        packages = (*PIXEL_PACKAGES, "torch", "torchvision")
    resolved = {
        "policy": policy.name,
        "class_policy": {name: class_policies[name].name for name in sorted(class_policies)},
        "shard_size": shard_size,
        "quality": None if codec_named(config.codec).lossless else config.quality,
    }
    return Identity(
        options={name: resolved.get(name, getattr(config, name)) for name in OPTIONS},
        policy=policy.serialized,
        class_policies={name: class_policies[name].serialized for name in sorted(class_policies)},
        versions=package_versions(packages),
        classes=reference.classes,
        fingerprint=reference.fingerprint(),
    )


def _job(
    config: ExpandConfig,
    folder: DatasetFolder,
    reference: Reference,
    policy: PolicySpec,
    class_policies: Mapping[str, PolicySpec],
) -> Job:
    labels = {name: label for label, name in enumerate(reference.classes)}
    recipe = Recipe(
        Fit(config.size, config.fit),
        policy,
        config.seed,
        config.max_megapixels,
        tuple((labels[name], spec) for name, spec in sorted(class_policies.items())),
    )
    return Job(
        dataset=folder.path,
        root=reference.root,
        classes=reference.classes,
        recipe=recipe,
        codec=config.codec,
        quality=config.quality,
        originals=config.originals,
        format=config.format,
        fail_on_error=config.on_error == "fail",
        url=folder.url,
    )


def _filling(task: Task, earlier: Earlier | None, changes: Changes | None) -> Filling:
    kept = () if earlier is None or changes is None else earlier.kept(task, changes)
    names = {shard.name for shard in kept}
    missing = tuple(shard for shard in task.shards if shard.name not in names)
    return Filling(task, kept, task.only(missing) if missing else None)
