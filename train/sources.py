"""From a training configuration to its sources, and to the record of what they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from augcli.augment.config import DEFAULT_DATASET, DEFAULT_FIT, DEFAULT_SIZE, default_policy
from augcli.augment.fit import Fit
from augcli.augment.policy import resolve_policy
from augcli.augment.reference_data import load_reference
from augcli.augment.views import Recipe
from augcli.manifests.errors import UsageError
from augcli.manifests.hashing import sha256_file
from augcli.manifests.manifest import MANIFEST_FILE, read_manifest
from augcli.manifests.reference import Failure
from augcli.manifests.versions import PIXEL_PACKAGES, package_versions
from augcli.train.batch import Sources
from augcli.train.config import TrainConfig
from augcli.train.image_check import check_images
from augcli.train.loader import BatchLoader, loader_workers
from augcli.train.remaking import check_versions, manifest_recipe, source_files
from augcli.train.stored_samples import StoredSamples
from augcli.train.views import FreshViews, StoredViews


@dataclass(frozen=True)
class Opened:
    """Sources ready to train from, the record of them, and the inputs they leave out."""

    sources: Sources
    description: dict[str, Any]
    failures: tuple[Failure, ...]


def source_of(config: TrainConfig) -> str:
    """The source asked for: shards by default, on the fly when only `--data` is given."""
    if config.source is not None:
        return config.source
    return "on-the-fly" if config.data is not None and config.shards is None else "shards"


def open_sources(config: TrainConfig, device: str) -> Opened:
    """Open the training, validation and test sources that `config` asks for.

    Raises:
        UsageError: options that exclude each other.
        AugcliError: no dataset there, or nothing usable in it.
    """
    source = source_of(config)
    if source == "shards" and config.data is not None:
        raise UsageError(
            "--data goes with --source on-the-fly or none; --source shards reads --shards DIR"
        )
    if config.data is not None and config.shards is None:
        return _open_reference(config, source, device)
    for name in ("policy", "size"):
        if getattr(config, name) is not None:
            raise UsageError(f"--{name}: with --shards, the manifest says; it goes with --data")
    return _open_dataset(config, source, device)


def _open_dataset(config: TrainConfig, source: str, device: str) -> Opened:
    """Sources from an expanded dataset: stored views, or made anew by its manifest."""
    dataset = config.shards or DEFAULT_DATASET
    manifest = read_manifest(dataset)
    samples = StoredSamples(dataset, manifest)
    if source == "shards":
        train: StoredViews | FreshViews = StoredViews(dataset, manifest, samples, "train")
    else:
        check_versions(dataset, manifest)
        recipe = manifest_recipe(manifest)
        files = source_files(samples, manifest, config.data)
        train = FreshViews(
            files, recipe, augmented=source == "on-the-fly", originals=manifest.originals
        )
    loaders = _Loaders(config, int(manifest.options["size"]), device)

    def stored(split: str) -> BatchLoader | None:
        if not manifest.splits[split].samples:
            return None
        return loaders.make(StoredViews(dataset, manifest, samples, split), shuffled=False)

    sources = Sources(
        classes=manifest.classes,
        size=(loaders.size, loaders.size),
        train=loaders.make(train, shuffled=True),
        validation=stored("val"),
        test=stored("test"),
    )
    description = {
        "source": source,
        "manifest_sha256": sha256_file(dataset / MANIFEST_FILE),
        "reference": manifest.reference.name,
        "fingerprint": manifest.reference.fingerprint,
        "rounds": manifest.rounds if source == "shards" else None,
        "policy": manifest.policy if source != "none" else None,
        "options": dict(manifest.options),
        "versions": package_versions(PIXEL_PACKAGES),
    }
    return Opened(sources, description, ())


def _open_reference(config: TrainConfig, source: str, device: str) -> Opened:
    """Sources from a reference dataset, with no expansion at all."""
    reference = load_reference(config.data)
    size = config.size or DEFAULT_SIZE
    policy = resolve_policy(config.policy or default_policy(config.data), size)
    recipe = Recipe(Fit(size, DEFAULT_FIT), policy, config.seed)
    images = check_images(reference, recipe)
    loaders = _Loaders(config, size, device)

    def fresh(split: str, augmented: bool = False) -> FreshViews:
        return FreshViews(images.files(split), recipe, augmented=augmented, originals=True)

    def fitted(split: str) -> BatchLoader | None:
        return loaders.make(fresh(split), shuffled=False) if images.files(split) else None

    sources = Sources(
        classes=reference.classes,
        size=(size, size),
        train=loaders.make(fresh("train", source == "on-the-fly"), shuffled=True),
        validation=fitted("val"),
        test=fitted("test"),
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
    return Opened(sources, description, (*reference.skipped, *images.failures))


@dataclass(frozen=True)
class _Loaders:
    """Makes loaders that share a run's settings."""

    config: TrainConfig
    size: int
    device: str

    def make(self, views: StoredViews | FreshViews, *, shuffled: bool) -> BatchLoader:
        workers = self.config.workers
        if workers is None:
            workers = loader_workers(self.device) if shuffled else 0
        return BatchLoader(
            views,
            views.samples,
            size=self.size,
            batch_size=self.config.batch_size,
            seed=self.config.seed,
            shuffled=shuffled,
            workers=workers if shuffled else 0,
            pinned=self.device == "cuda",
        )
