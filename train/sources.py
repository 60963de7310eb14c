"""From a training configuration to its sources, and to the record of what they are."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augcli.augment.config import DEFAULT_DATASET, DEFAULT_FIT, DEFAULT_SIZE, default_policy
from augcli.augment.decode import DecodeError
from augcli.augment.engines import default_workers
from augcli.augment.fit import Fit
from augcli.augment.policy import resolve_policy, spec_of
from augcli.augment.reference_data import find_root, load_reference
from augcli.augment.views import Recipe, ViewMaker
from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.hashing import sha256_file
from augcli.manifests.manifest import MANIFEST_FILE, SAMPLES_FILE, Manifest, read_manifest
from augcli.manifests.reference import Failure, Reference, Sample
from augcli.manifests.samples import read_samples
from augcli.train.batch import Sources
from augcli.train.config import TrainConfig
from augcli.train.loader import BatchLoader, loader_workers
from augcli.train.views import FreshViews, SourceFile, StoredViews


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
    if source == "shards":
        train: StoredViews | FreshViews = StoredViews(dataset, manifest, "train")
    else:
        recipe = manifest_recipe(manifest)
        files = source_files(dataset, manifest, config.data)
        train = FreshViews(
            files, recipe, augmented=source == "on-the-fly", originals=manifest.originals
        )
    loaders = _Loaders(config, int(manifest.options["size"]), device)
    sources = Sources(
        classes=manifest.classes,
        size=(loaders.size, loaders.size),
        train=loaders.make(train, shuffled=True),
        validation=_stored(loaders, dataset, manifest, "val"),
        test=_stored(loaders, dataset, manifest, "test"),
    )
    description = {
        "source": source,
        "manifest_sha256": sha256_file(dataset / MANIFEST_FILE),
        "reference": manifest.reference.name,
        "fingerprint": manifest.reference.fingerprint,
        "rounds": manifest.rounds if source == "shards" else None,
        "policy": manifest.policy if source != "none" else None,
        "options": dict(manifest.options),
    }
    return Opened(sources, description, ())


def manifest_recipe(manifest: Manifest) -> Recipe:
    """The recipe that the stored views were made by."""
    options = manifest.options
    return Recipe(
        fit=Fit(int(options["size"]), str(options["fit"])),
        policy=spec_of(str(options["policy"]), manifest.policy),
        seed=int(options["seed"]),
        max_megapixels=float(options["max_megapixels"]),
    )


def source_files(dataset: Path, manifest: Manifest, data: str | None) -> list[SourceFile]:
    """The training images that were expanded, with the hashes they had."""
    root = find_root(manifest.reference, data)
    table = read_samples(dataset / SAMPLES_FILE, split="train", round=0)
    names = ("key", "source", "label", "source_sha256")
    columns = (table.column(name).to_pylist() for name in names)
    return [
        SourceFile(key, root / source, label, digest)
        for key, source, label, digest in zip(*columns, strict=True)
    ]


def _stored(loaders: _Loaders, dataset: Path, manifest: Manifest, split: str) -> BatchLoader | None:
    if not manifest.splits[split].samples:
        return None
    return loaders.make(StoredViews(dataset, manifest, split), shuffled=False)


def _open_reference(config: TrainConfig, source: str, device: str) -> Opened:
    """Sources from a reference dataset, with no expansion at all."""
    reference = load_reference(config.data)
    size = config.size or DEFAULT_SIZE
    policy = resolve_policy(config.policy or default_policy(config.data), size)
    recipe = Recipe(Fit(size, DEFAULT_FIT), policy, config.seed)
    usable, failures = check_images(reference, recipe)
    loaders = _Loaders(config, size, device)

    def fresh(split: str, augmented: bool) -> FreshViews | None:
        samples = [sample for sample in usable if sample.split == split]
        files = [SourceFile(s.key, reference.path(s), s.label, "") for s in samples]
        return FreshViews(files, recipe, augmented=augmented, originals=True) if files else None

    train = fresh("train", source == "on-the-fly")
    if train is None:
        raise AugcliError(f"{reference.root}: none of its training images is usable")
    validation, test = fresh("val", False), fresh("test", False)
    sources = Sources(
        classes=reference.classes,
        size=(size, size),
        train=loaders.make(train, shuffled=True),
        validation=loaders.make(validation, shuffled=False) if validation else None,
        test=loaders.make(test, shuffled=False) if test else None,
    )
    description = {
        "source": source,
        "reference": reference.name,
        "fingerprint": reference.fingerprint(),
        "policy": policy.serialized if source == "on-the-fly" else None,
        "options": {"size": size, "fit": DEFAULT_FIT, "seed": config.seed},
        "failures": len(failures),
    }
    return Opened(sources, description, (*reference.skipped, *failures))


def check_images(reference: Reference, recipe: Recipe) -> tuple[list[Sample], list[Failure]]:
    """Decode every image once: an epoch must know beforehand which samples it has."""
    maker = ViewMaker(recipe)

    def reason(sample: Sample) -> str | None:
        try:
            maker.fitted(reference.path(sample).read_bytes())
        except DecodeError as error:
            return str(error)
        except OSError as error:
            return error.strerror or "can't be read"
        return None

    with ThreadPoolExecutor(default_workers()) as pool:
        reasons: Sequence[str | None] = list(pool.map(reason, reference.samples))
    usable = [s for s, why in zip(reference.samples, reasons, strict=True) if why is None]
    failures = [
        Failure(s.source, why)
        for s, why in zip(reference.samples, reasons, strict=True)
        if why is not None
    ]
    return usable, failures


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
