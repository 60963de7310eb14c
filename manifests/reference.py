"""The reference dataset as records: labelled samples with splits, and the inputs not used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from augcli.manifests.errors import AugcliError
from augcli.manifests.hashing import fingerprint
from augcli.manifests.sample_list import SPLITS, Sample, Samples


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that is not used: its path as the user would name it, and why.

    `sha256` is that of its bytes when they were read, so that a mended image is noticed; else ''.
    """

    source: str
    reason: str
    sha256: str = ""

    @property
    def tried(self) -> bool:
        """Whether the file was read, and was no usable image."""
        return bool(self.sha256)


@dataclass(frozen=True)
class Reference:
    """A scanned reference dataset.

    `spec` says how to get it again on any machine (`embedded:galaxies`, `torchvision:CIFAR10`),
    or is empty when it is a folder or table of the user's. Samples are sorted by source.
    """

    name: str
    spec: str
    root: Path
    classes: tuple[str, ...]
    samples: Samples
    skipped: tuple[Failure, ...] = ()

    def path(self, sample: Sample) -> Path:
        """Where the sample's image is."""
        return self.root / sample.source

    def of_split(self, split: str) -> Samples:
        """The samples of one split, sorted by source."""
        return self.samples.of_split(split)

    def class_counts(self, split: str) -> tuple[int, ...]:
        """Samples per class in `split`, in the order of `classes`."""
        counts = np.bincount(self.of_split(split).labels, minlength=len(self.classes))
        return tuple(counts.tolist())

    def fingerprint(self) -> str:
        """A hash of which samples there are, with splits and labels (not of their pixels)."""
        return fingerprint(self._lines())

    def _lines(self) -> Iterator[str]:
        samples = self.samples
        placed = zip(samples.sources, samples.splits, samples.labels, strict=True)
        for source, split, label in placed:
            yield f"{source}\0{SPLITS[split]}\0{self.classes[label]}"


def classes_without(reference: Reference, split: str) -> tuple[str, ...]:
    """The classes with no sample in a split that other classes have: nothing is measured of them.

    Splits by hash are stratified on average only, so small classes can miss one.
    """
    counts = reference.class_counts(split)
    if not any(counts):
        return ()
    return tuple(name for name, count in zip(reference.classes, counts, strict=True) if not count)


def check_trainable(reference: Reference) -> None:
    """A classifier needs two classes, each with a training sample.

    Raises:
        AugcliError: naming the classes that lack training samples.
    """
    if len(reference.classes) < 2:
        found = ", ".join(reference.classes) or "none"
        raise AugcliError(
            f"{reference.root}: at least two classes are needed, found: {found}; "
            "expected one folder per class, or train/validation/test folders holding them"
        )
    counts = reference.class_counts("train")
    empty = [name for name, count in zip(reference.classes, counts, strict=True) if not count]
    if empty:
        raise AugcliError(
            f"{reference.root}: no training images for: {', '.join(empty)}; "
            "add some, remove the class, or lower --val-fraction and --test-fraction"
        )
