"""From a training configuration to its sources, and to the record of what they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from augcli.augment.config import DEFAULT_FIT, DEFAULT_SIZE, default_policy
from augcli.augment.fit import Fit
from augcli.augment.policy import resolve_policy
from augcli.augment.reference_data import find_root, load_reference, make_reference
from augcli.augment.remaking import manifest_recipe
from augcli.augment.views import Recipe
from augcli.manifests.errors import UsageError
from augcli.manifests.hashing import sha256_file
from augcli.manifests.manifest import MANIFEST_FILE
from augcli.manifests.reference import Failure
from augcli.manifests.settings import option_name
from augcli.manifests.versions import PIXEL_PACKAGES, package_versions
from augcli.train.batch import Source, Sources
from augcli.train.config import TrainConfig
from augcli.train.dataset import Dataset, open_dataset
from augcli.train.frames import FolderFrames, Frames, SourceFile, StoredFrames
from augcli.train.fresh_views import FreshViews, in_order
from augcli.train.image_check import check_images
from augcli.train.loader import BatchLoader
from augcli.train.loading import Loading, Order
from augcli.train.order import Batching, Indices, windowed_order
from augcli.train.remaking import check_versions, source_files
from augcli.train.seen import Images, Seen, hashed
from augcli.train.stored_views import StoredViews
from augcli.train.world import ALONE, World


@dataclass(frozen=True)
class Opened:
    """Sources ready to train from, the record of them, and the inputs they leave out."""

    sources: Sources
    description: dict[str, Any]
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]
    """What a user should be told of how they will be loaded."""


def source_of(config: TrainConfig) -> str:
    """The source asked for: shards by default, on the fly when only `--data` is given."""
    if config.source is not None:
        return config.source
    return "on-the-fly" if config.data is not None and config.shards is None else "shards"


def open_sources(config: TrainConfig, device: str | torch.device, world: World = ALONE) -> Opened:
    """Open the training, validation and test sources that `config` asks for.

    Raises:
        UsageError: options that exclude each other.
        AugcliError: no dataset there, or nothing usable in it.
    """
    source, device = source_of(config), torch.device(device)
    if source == "shards" and config.data is not None:
        raise UsageError(
            "--data goes with --source on-the-fly or none; --source shards reads --shards DIR"
        )
    if config.from_originals and (source == "shards" or config.data is not None):
        raise UsageError(
            "--from-originals goes with --source on-the-fly or none and --shards, without --data"
        )
    for name in ("rounds", "shuffle_buffer"):
        if getattr(config, name) is not None and source != "shards":
            raise UsageError(f"{option_name(name)} goes with --source shards")
    if config.data is not None and config.shards is None:
        return _open_reference(config, source, device, world)
    if config.size is not None:
        raise UsageError("--size: with --shards, the manifest says; it goes with --data")
    if config.policy is not None and source != "on-the-fly":
        raise UsageError(
            "--policy: with --shards, the manifest says; another one goes with --source on-the-fly"
        )
    return _open_dataset(config, source, device, world)


def tell(
    opened: Opened,
    left_out: Callable[[tuple[Failure, ...]], None] | None,
    note: Callable[[str], None] | None,
) -> None:
    """Tell `left_out` of the inputs that are left out, if there are any, and `note` all notes."""
    if left_out is not None and opened.failures:
        left_out(opened.failures)
    if note is not None:
        for line in opened.notes:
            note(line)


def make_data(config: TrainConfig) -> None:
    """Generate or download on first use what `open_sources` will read: in one process at a time.

    Raises:
        AugcliError: as `open_sources`.
    """
    if source_of(config) == "shards" or config.from_originals:
        return
    if config.shards is None and config.data is not None:
        make_reference(config.data)
    else:
        find_root(open_dataset(config).manifest.reference, config.data)


def _open_dataset(config: TrainConfig, source: str, device: torch.device, world: World) -> Opened:
    """Sources from an expanded dataset: stored views, or made anew by its manifest."""
    dataset = open_dataset(config)
    manifest = dataset.manifest
    size = int(manifest.options["size"])
    policy = manifest.policy
    if source == "shards":
        loading = Loading(config, size, device, world)
        _check_rounds(config, dataset)
        views = dataset.views("train", config.rounds)
        train = loading.training(views, _order(config, dataset, views, loading))
    else:
        recipe = _recipe(config, dataset)
        policy = recipe.policy.serialized
        train, loading = _fresh_from_dataset(config, source, device, world, dataset, recipe)

    def stored(split: str) -> BatchLoader | None:
        if not manifest.splits[split].samples:
            return None
        return loading.evaluation(dataset.views(split), again=split == "val")

    sources = Sources(
        classes=manifest.classes,
        size=(size, size),
        train=train,
        validation=stored("val"),
        test=stored("test"),
        policies=_acting(
            source, policy, *(manifest.class_policies.values() if config.policy is None else ())
        ),
    )
    description = {
        "source": source,
        "manifest_sha256": sha256_file(dataset.folder / MANIFEST_FILE),
        "reference": manifest.reference.name,
        "fingerprint": manifest.reference.fingerprint,
        "rounds": (config.rounds or manifest.rounds) if source == "shards" else None,
        "policy": policy if source != "none" else None,
        "options": dict(manifest.options),
        "versions": package_versions(PIXEL_PACKAGES),
    }
    return Opened(sources, description, (), tuple(loading.notes))


def _acting(source: str, *policies: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    return policies if source != "none" else ()


def _check_rounds(config: TrainConfig, dataset: Dataset) -> None:
    stored = dataset.manifest.rounds
    if config.rounds is not None and config.rounds > stored:
        raise UsageError(
            f"--rounds {config.rounds}: {dataset.place} has {stored}: ask for no more, or add some "
            "with augcli expand and more --copies"
        )


def _order(
    config: TrainConfig, dataset: Dataset, views: StoredViews, loading: Loading
) -> Order | None:
    """One shard after another, for --shuffle-buffer; else whatever the loader's default is."""
    window = dataset.shuffle_buffer(config.shuffle_buffer)
    if window is None:
        return None
    loading.notes.append(f"shards: read one after another, shuffled among {window:,} samples")

    def windowed(epoch: int, batching: Batching) -> list[Indices]:
        shards = views.shards_of_round(epoch)
        return batching.of_own_part(windowed_order(shards, window, config.seed, epoch))

    return windowed


def _recipe(config: TrainConfig, dataset: Dataset) -> Recipe:
    """How the stored views were made, or the same by another policy for all classes."""
    check_versions(dataset.place, dataset.manifest)
    recipe = manifest_recipe(dataset.manifest, dataset.place)
    if config.policy is None:
        return recipe
    policy = resolve_policy(config.policy, recipe.fit.size)
    return replace(recipe, policy=policy, class_policies=())


def _fresh_from_dataset(
    config: TrainConfig,
    source: str,
    device: torch.device,
    world: World,
    dataset: Dataset,
    recipe: Recipe,
) -> tuple[Source, Loading]:
    """Training views made anew."""
    manifest = dataset.manifest
    files = in_order(source_files(dataset.samples, manifest, config.data, config.from_originals))
    frames: Frames = FolderFrames(files)
    if config.from_originals:
        if not manifest.originals:
            raise UsageError(
                f"--from-originals: {dataset.place} has none: it was expanded with --no-originals"
            )
        frames = StoredFrames(dataset.views("train"), files, recipe.fit.size)
    loading = _loading_fresh(config, source, device, world, recipe)
    return _fresh(source, files, recipe, frames, loading, originals=manifest.originals), loading


def _loading_fresh(
    config: TrainConfig, source: str, device: torch.device, world: World, recipe: Recipe
) -> Loading:
    holds_lock = source == "on-the-fly" and not recipe.is_compiled
    return Loading(config, recipe.fit.size, device, world, holds_lock=holds_lock)


def _fresh(
    source: str,
    files: list[SourceFile],
    recipe: Recipe,
    frames: Frames,
    loading: Loading,
    *,
    originals: bool,
) -> Source:
    """The training source whose views are made of `frames`, or fitted only."""
    augmented = source == "on-the-fly"
    if augmented:
        frames = loading.kept_frames(frames, len(files))
    return loading.training(
        FreshViews(files, recipe, augmented=augmented, originals=originals, frames=frames)
    )


def _open_reference(config: TrainConfig, source: str, device: torch.device, world: World) -> Opened:
    """Sources from a reference dataset, with no expansion at all."""
    reference = load_reference(config.data)
    size = config.size or DEFAULT_SIZE
    policy = resolve_policy(config.policy or default_policy(config.data), size)
    recipe = Recipe(Fit(size, DEFAULT_FIT), policy, config.seed)
    images = check_images(reference, recipe)
    loading = _loading_fresh(config, source, device, world, recipe)

    def fitted(split: str) -> BatchLoader | None:
        files = images.files(split)
        if not files:
            return None
        views = FreshViews(files, recipe, augmented=False, originals=True)
        return loading.evaluation(views, again=split == "val")

    files = in_order(images.files("train"))
    sources = Sources(
        classes=reference.classes,
        size=(size, size),
        train=_fresh(source, files, recipe, FolderFrames(files), loading, originals=True),
        validation=fitted("val"),
        test=fitted("test"),
        policies=_acting(source, policy.serialized),
        seen=lambda: Seen(_hashed(images.files("train")), _hashed(images.files("val"))),
    )
    description = {
        "source": source,
        "reference": reference.name,
        "fingerprint": reference.fingerprint(),
        "images_sha256": images.fingerprint(),
        "policy": policy.serialized if source == "on-the-fly" else None,
        "options": {"size": size, "fit": DEFAULT_FIT, "seed": config.seed},
        "failures": len(images.failures),
        "versions": package_versions(PIXEL_PACKAGES),
    }
    failures = (*reference.skipped, *images.failures)
    return Opened(sources, description, failures, tuple(loading.notes))


def _hashed(files: list[SourceFile]) -> Images:
    return hashed([file.key for file in files], [file.sha256 for file in files])
