"""The images that a trained model is measured on: fit only, of one split, of the run's own data.

Of other data, what the run was trained or validated on is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from augcli.augment.reference_data import load_reference
from augcli.augment.remaking import manifest_recipe
from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.hashing import key_fraction
from augcli.manifests.reference import Failure, Reference
from augcli.train.dataset import Dataset, open_dataset
from augcli.train.evaluation.chosen_views import ChosenViews
from augcli.train.evaluation.run_options import (
    DataOptions,
    check_classes,
    check_size,
    plain_recipe,
    reading_config,
)
from augcli.train.evaluation.seen_before import (
    Listed,
    Sifted,
    everything,
    listed_of,
    seen_by,
    sift,
)
from augcli.train.evaluation.shrunk_views import at_size
from augcli.train.fresh_views import FreshViews, in_order
from augcli.train.image_check import look_at
from augcli.train.remaking import source_files
from augcli.train.seen import Seen
from augcli.train.trained import Trained
from augcli.train.views import Views

NAMES = {"test": "test", "val": "validation", "train": "training", "all": "all"}
"""Splits as records name them -> as people do."""


@dataclass(frozen=True)
class Subset:
    """Up to `most` samples of a split, chosen by a hash of their keys and `seed`."""

    most: int
    seed: int

    def of(self, keys: Sequence[str]) -> list[int]:
        """The numbers of those chosen; each key once, where balancing repeats some."""
        first: dict[str, int] = {}
        for number, key in enumerate(keys):
            first.setdefault(key, number)
        order = sorted(first, key=lambda key: key_fraction(f"{self.seed}\0{key}", "subset"))
        return [first[key] for key in order[: self.most]]


@dataclass(frozen=True)
class SplitData:
    """The plain views of one split, uint8 RGB of the run's size, in the order of their keys."""

    split: str
    """test, val, train, or all."""
    views: Views
    stored: Views
    """What `views` are resized from, or themselves."""
    stored_size: int
    """Pixels that those are high and wide."""
    paths: tuple[str, ...]
    """Of each sample's image, relative to the reference dataset's root, with '/'."""
    reference: str
    """The reference dataset's name."""
    fingerprint: str
    """The hash of which samples it has (`Reference.fingerprint`)."""
    own: bool
    """Whether that is what the run was trained on."""
    failures: tuple[Failure, ...] = ()
    seen: tuple[Failure, ...] | None = ()
    """Left out since the run was trained or validated on it; None where that isn't known."""
    notes: list[str] = field(default_factory=list)
    """What a user should be told."""

    @property
    def name(self) -> str:
        """The split's name for people."""
        return NAMES[self.split]


class RunData:
    """The data of a run, or others with the same classes; splits are opened when asked for."""

    def __init__(self, trained: Trained, options: DataOptions) -> None:
        """Find the data; no image is read.

        Raises:
            UsageError: options that exclude each other, or data of other classes or another size.
            AugcliError: the data are not there.
        """
        self._trained = trained
        self._config = reading_config(trained, options)
        self._dataset: Dataset | None = None
        self._reference: Reference | None = None
        self._replaced = options != DataOptions(None, None)
        try:
            place, classes = self._open()
        except AugcliError as error:
            if self._replaced:
                raise
            raise AugcliError(
                f"the run's own images: {error}; say where they are with --shards or --data"
            ) from error
        check_classes(trained, place, classes)
        self.is_own = self._fingerprint == trained.source.get("fingerprint")

    def _open(self) -> tuple[str, tuple[str, ...]]:
        """Where the data are, and their classes."""
        config = self._config
        if config.data is not None and config.shards is None:
            self._reference = load_reference(config.data, trainable=False)
            self._fingerprint = self._reference.fingerprint()
            return config.data, self._reference.classes
        self._dataset = open_dataset(config)
        manifest = self._dataset.manifest
        self._fingerprint = manifest.reference.fingerprint
        check_size(self._trained, self._dataset)
        return self._dataset.place, manifest.classes

    def split(self, split: str | None, subset: Subset | None = None) -> SplitData:
        """The plain views of `split`; None: test, or val where there is no test split.

        With `subset`, images outside of it need not be there.

        Raises:
            UsageError: there is no such split, or `all` of what the run was trained on.
            AugcliError: no usable image in it.
        """
        split = split or ("test" if self.has("test") else "val")
        if split == "all" and (self.is_own or self._reference is None):
            raise UsageError(
                "--split all: goes with --data that the run was not trained on: of its own data, "
                "training images are no test"
            )
        if not self.has(split):
            raise UsageError(f"--split: there are no {NAMES[split]} images; choose another")
        opened = (
            self._from_reference(split, subset)
            if self._reference
            else self._from_dataset(split, subset)
        )
        if not self._replaced and not self.is_own:
            opened.notes.insert(
                0, "the data have changed since the run was trained: other images, labels or splits"
            )
        return opened

    @cached_property
    def _seen(self) -> Seen | None:
        """What the run was trained and validated on."""
        return seen_by(self._trained)

    def _sifted(self, split: str, subset: Subset | None, images: Listed) -> Sifted:
        """Which of them to measure on.

        All of the run's own data, which are split already, and of a subset, which is to show what
        training saw, too. Where its own data have changed, validation images are what they were.
        """
        if self.is_own or subset is not None or split == "train":
            return everything(images)
        allowed = "val" if split == "val" and not self._replaced else ""
        sifted = sift(images, self._seen, allowed)
        if not sifted.kept:
            raise UsageError(
                f"--split {NAMES[split]}: the run was trained or validated on every one of these "
                f"{len(images.paths):,} images: give others with --data, or choose another split"
            )
        return sifted

    def has(self, split: str) -> bool:
        """Whether there are images of that split."""
        return self._count(split) > 0

    def _count(self, split: str) -> int:
        if self._reference is not None:
            reference = self._reference
            return len(reference.samples if split == "all" else reference.of_split(split))
        assert self._dataset is not None
        return self._dataset.manifest.splits[split].samples

    def _from_reference(self, split: str, subset: Subset | None) -> SplitData:
        reference = self._reference
        assert reference is not None
        recipe = plain_recipe(self._trained)
        samples = reference.samples if split == "all" else reference.of_split(split)
        if subset is not None:
            samples = samples.take(np.array(subset.of(list(samples.keys)), np.int64))
        images = look_at(reference, samples, recipe)
        files = in_order(images.usable(samples))
        if not files:
            first = f"{reference.root / images.failures[0].source}: {images.failures[0].reason}"
            raise AugcliError(f"none of the {NAMES[split]} images can be used; first {first}")
        sources = dict(zip(samples.keys, samples.sources, strict=True))
        listed = Listed(
            keys=[file.key for file in files],
            sha256s=[file.sha256 for file in files],
            paths=[sources[file.key] for file in files],
        )
        sifted = self._sifted(split, subset, listed)
        files = [files[number] for number in sifted.kept]
        stored = FreshViews(files, recipe, augmented=False, originals=True)
        notes = sifted.notes()
        others = len(reference.samples) - len(samples)
        if self._replaced and not self.is_own and others and subset is None:
            notes.append(
                f"{len(samples):,} of {len(reference.samples):,} images are its {NAMES[split]} "
                "split; --split all takes all"
            )
        return SplitData(
            split=split,
            views=at_size(stored, recipe.fit.size, self._trained.size[0]),
            stored=stored,
            stored_size=recipe.fit.size,
            paths=tuple(listed.paths[number] for number in sifted.kept),
            reference=reference.name,
            fingerprint=self._fingerprint,
            own=self.is_own,
            failures=images.failures,
            seen=sifted.left_out,
            notes=notes,
        )

    def _from_dataset(self, split: str, subset: Subset | None) -> SplitData:
        dataset = self._dataset
        assert dataset is not None
        manifest = dataset.manifest
        if split == "train" and not manifest.originals:
            # Its round 0 is augmented already: the plain images are the files' own.
            files = in_order(source_files(dataset.samples, manifest, self._config.data))
            recipe = manifest_recipe(manifest, dataset.place)
            views: Views = FreshViews(files, recipe, augmented=False, originals=True)
        else:
            views = dataset.views(split)
        listed = listed_of(dataset, split)
        sifted = self._sifted(split, subset, listed)
        if sifted.left_out:
            views = ChosenViews(views, np.array(sifted.kept, np.int64))
        stored_size = int(manifest.options["size"])
        return SplitData(
            split=split,
            views=at_size(views, stored_size, self._trained.size[0]),
            stored=views,
            stored_size=stored_size,
            paths=tuple(listed.paths[number] for number in sifted.kept),
            reference=manifest.reference.name,
            fingerprint=self._fingerprint,
            own=self.is_own,
            seen=sifted.left_out,
            notes=sifted.notes(),
        )
