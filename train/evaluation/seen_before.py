"""Which images a run had before: those are no test of it, whatever dataset they come in."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from augcli.manifests.errors import AugcliError
from augcli.manifests.reference import Failure
from augcli.train.dataset import Dataset, open_dataset
from augcli.train.evaluation.run_options import DataOptions, reading_config
from augcli.train.seen import Images, Seen, hashed, read_seen
from augcli.train.trained import Trained

REASONS = {"train": "the run was trained on it", "val": "the run was validated on it"}
"""Split that the run had an image in -> why it is left out."""
NOT_KNOWN = (
    "which images the run was trained on is not known here (its dataset is not where it was, or "
    "seen.pt not beside the checkpoint): some of these may be among them"
)


@dataclass(frozen=True)
class Listed:
    """Images by key, with the SHA-256 of their bytes, and where they are in their dataset."""

    keys: Sequence[str]
    sha256s: Sequence[str]
    paths: Sequence[str]


@dataclass(frozen=True)
class Sifted:
    """The numbers of the images to measure on, and the others; None where those aren't known."""

    kept: Sequence[int]
    left_out: tuple[Failure, ...] | None

    def notes(self) -> list[str]:
        """What a user should be told."""
        if self.left_out is None:
            return [NOT_KNOWN]
        if not self.left_out:
            return []
        count, first = len(self.left_out), self.left_out[0]
        return [
            f"{count:,} of {count + len(self.kept):,} images are left out, the run was trained or "
            f"validated on them: first {first.source}: {first.reason}"
        ]


def everything(images: Listed) -> Sifted:
    """All of them, to be measured on."""
    return Sifted(range(len(images.keys)), ())


def sift(images: Listed, seen: Seen | None, allowed: str = "") -> Sifted:
    """Leave out what a run has `seen`, but for what it had in the split `allowed`."""
    if seen is None:
        return Sifted(range(len(images.keys)), None)
    splits = seen.splits_of(hashed(images.keys, images.sha256s))
    kept = [number for number, split in enumerate(splits) if split in ("", allowed)]
    pairs = zip(images.paths, splits, strict=True)
    left_out = (
        Failure(path, REASONS[split]) for path, split in pairs if split not in ("", allowed)
    )
    return Sifted(kept, tuple(left_out))


def seen_by(trained: Trained) -> Seen | None:
    """The images that a run was trained and validated on; None where nothing says it (any more).

    Raises:
        AugcliError: the run's record of them is damaged.
    """
    if "manifest_sha256" not in trained.source:
        return read_seen(trained.run.seen) if trained.run.seen.exists() else None
    with suppress(AugcliError):
        dataset = open_dataset(reading_config(trained, DataOptions(None, None)))
        if dataset.manifest.reference.fingerprint == trained.source.get("fingerprint"):
            return Seen(_images_of(dataset, "train"), _images_of(dataset, "val"))
    return None


def listed_of(dataset: Dataset, split: str) -> Listed:
    """The images of a stored split, one for each view of a round, by key."""
    count = dataset.manifest.splits[split].views_per_round
    names = ("key", "source_sha256", "source")
    table = dataset.samples.of_split(split, names).slice(0, count)
    return Listed(*(table.column(name).to_pylist() for name in names))


def _images_of(dataset: Dataset, split: str) -> Images:
    images = listed_of(dataset, split)
    return hashed(images.keys, images.sha256s)
