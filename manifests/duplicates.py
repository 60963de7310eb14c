"""Images that are in a reference dataset more than once, byte for byte, and how to do without.

An image in two splits makes evaluation look better than it is, one under two labels makes it
worse, one that is there twice counts double. Only what must be read is read: files of a size that
no other file has are never opened.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from augcli.manifests.errors import AugcliError
from augcli.manifests.hashing import sha256_file
from augcli.manifests.reference import Failure, Reference
from augcli.manifests.sample_list import SPLITS, Sample, Samples

CONFLICT, LEAK, REPEAT = "conflict", "leak", "repeat"
KINDS = (CONFLICT, LEAK, REPEAT)  # the most harmful first

TAIL_BYTES = 256  # tell nearly all files of one size apart: heads hold tables that many share

KeyT = TypeVar("KeyT")


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Two or more samples whose files hold the same bytes, sorted by source."""

    samples: tuple[Sample, ...]

    @property
    def kind(self) -> str:
        """`conflict`: two or more labels; `leak`: one label, two or more splits; else `repeat`."""
        if len({sample.label for sample in self.samples}) > 1:
            return CONFLICT
        return LEAK if len({sample.split for sample in self.samples}) > 1 else REPEAT

    @property
    def sources(self) -> tuple[str, ...]:
        """Where the samples are, relative to the reference's root."""
        return tuple(sample.source for sample in self.samples)


def find_duplicates(reference: Reference) -> tuple[DuplicateGroup, ...]:
    """The groups of samples with identical bytes: the most harmful kind first, then by source.

    Left alone are files that can't be read, and empty ones: the expansion reports them.
    """
    groups = [
        DuplicateGroup(tuple(sorted(same, key=lambda sample: sample.source)))
        for same in _identical(reference.root, reference.samples)
    ]
    return tuple(sorted(groups, key=lambda group: (KINDS.index(group.kind), group.sources)))


def without_duplicates(
    reference: Reference, groups: Iterable[DuplicateGroup], stored: Set[str] = frozenset()
) -> Reference:
    """The reference with one sample of each group, the others among its skipped inputs.

    The one for evaluation stays (test before validation before training), of those one whose source
    is `stored` already, the first by source. Of a group with several labels none stays: nobody
    knows which label is right.

    Raises:
        AugcliError: a class would lose its last training image.
    """
    reasons = {source: reason for group in groups for source, reason in _dropped(group, stored)}
    dropped = (Failure(source, reason) for source, reason in reasons.items())
    left = replace(
        reference,
        samples=reference.samples.without(reasons.keys()),
        skipped=tuple(sorted((*reference.skipped, *dropped), key=lambda failure: failure.source)),
    )
    _check_left(reference, left, reasons)
    return left


def _identical(root: Path, samples: Samples) -> Iterator[list[Sample]]:
    """Samples with the same bytes, told apart by size, then by their last bytes, then by all."""

    def tail(sample: Sample) -> bytes:
        with open(f"{root}/{sample.source}", "rb", buffering=0) as file:
            file.seek(max(0, size_bytes - TAIL_BYTES))
            return file.read(TAIL_BYTES)

    def whole(sample: Sample) -> str:
        return sha256_file(root / sample.source)

    for size_bytes, of_size in _of_one_size(root, samples):
        for same in _sharing(of_size, tail).values():
            if size_bytes <= TAIL_BYTES:
                yield same
            else:
                yield from _sharing(same, whole).values()


def _of_one_size(root: Path, samples: Samples) -> Iterator[tuple[int, Samples]]:
    """Size in bytes and samples of all sizes that more than one file has, but for empty ones."""
    sizes = np.fromiter((_size(f"{root}/{source}") for source in samples.sources), np.int64)
    order = np.argsort(sizes, kind="stable")
    found, starts, counts = np.unique(sizes[order], return_index=True, return_counts=True)
    for size, start, count in zip(found.tolist(), starts.tolist(), counts.tolist(), strict=True):
        if size > 0 and count > 1:
            yield size, samples.take(order[start : start + count])


def _size(path: str) -> int:
    """In bytes; -1 where it can't be told."""
    try:
        return os.stat(path).st_size  # noqa: PTH116, three times as fast
    except OSError:
        return -1


def _sharing(
    samples: Iterable[Sample], key_of: Callable[[Sample], KeyT]
) -> dict[KeyT, list[Sample]]:
    """The samples that share their key with another one; not those whose file can't be read."""
    groups: defaultdict[KeyT, list[Sample]] = defaultdict(list)
    for sample in samples:
        try:
            groups[key_of(sample)].append(sample)
        except OSError:
            continue
    return {key: group for key, group in groups.items() if len(group) > 1}


def _dropped(group: DuplicateGroup, stored: Set[str]) -> Iterator[tuple[str, str]]:
    """The sources that a group loses, with reasons."""
    if group.kind == CONFLICT:
        for sample in group.samples:
            other = next(s.source for s in group.samples if s.label != sample.label)
            yield sample.source, f"the same image as {other}, which has another label"
        return

    def rank(sample: Sample) -> tuple[int, bool, str]:
        return -SPLITS.index(sample.split), sample.source not in stored, sample.source

    kept = min(group.samples, key=rank)
    for sample in group.samples:
        if sample is not kept:
            yield sample.source, f"the same image as {kept.source}"


def _check_left(before: Reference, left: Reference, reasons: dict[str, str]) -> None:
    counts = zip(before.class_counts("train"), left.class_counts("train"), strict=True)
    emptied = [label for label, (had, has) in enumerate(counts) if had and not has]
    if emptied:
        example = next(s.source for s in before.of_split("train") if s.label == emptied[0])
        names = ", ".join(before.classes[label] for label in emptied)
        raise AugcliError(
            f"{before.root}: --dedupe leaves no training images for: {names} "
            f"({example}: {reasons[example]}); keep by hand what is right, remove the class, or "
            "expand without --dedupe"
        )
