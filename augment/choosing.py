"""Which images a preview shows: training samples in an order that hashes decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from augcli.augment.decode import DecodeError
from augcli.augment.frame import Frame
from augcli.augment.plan import shard_order
from augcli.augment.views import ViewMaker
from augcli.manifests.errors import AugcliError, UsageError, unknown_name
from augcli.manifests.reference import Reference
from augcli.manifests.sample_list import Sample

Fitted = tuple[Sample, Frame]


def chosen_labels(reference: Reference, only_class: str | None) -> tuple[int, ...]:
    """All labels, or that of the one class to show.

    Raises:
        UsageError: there is no such class.
    """
    if only_class is None:
        return tuple(range(len(reference.classes)))
    if only_class not in reference.classes:
        error = unknown_name("class", only_class, reference.classes)
        raise UsageError(f"--only-class: {error}")
    return (reference.classes.index(only_class),)


def by_turns(reference: Reference, labels: Iterable[int]) -> list[Sample]:
    """Training samples of `labels`, class by class in turn."""
    wanted = set(labels)
    turns = Counter[int]()
    ranked = []
    for sample in shard_order(reference.of_split("train")):
        if sample.label in wanted:
            ranked.append((turns[sample.label], sample.label, sample))
            turns[sample.label] += 1
    return [sample for _, _, sample in sorted(ranked, key=lambda item: item[:2])]


class Reader:
    """Reads samples for a preview, passing over the unusable ones.

    Attributes:
        reasons: why those were, as `path: reason`.
    """

    def __init__(self, reference: Reference, maker: ViewMaker) -> None:
        self._reference = reference
        self._maker = maker
        self.reasons: list[str] = []

    def usable(self, samples: Iterable[Sample], per_class: int | None = None) -> Iterator[Fitted]:
        """The usable ones, at most `per_class` of each class, with their fitted images.

        Each is read when it is asked for.
        """
        shown = Counter[int]()
        for sample in samples:
            if per_class is not None and shown[sample.label] == per_class:
                continue
            path = self._reference.path(sample)
            try:
                fitted = self._maker.fitted(path.read_bytes())
            except (DecodeError, OSError) as error:
                self.reasons.append(f"{path}: {error}")
            else:
                shown[sample.label] += 1
                yield sample, fitted

    def nothing(self) -> AugcliError:
        """The error to raise when no sample was usable, with the first reason."""
        return AugcliError(f"none of the images to preview is usable; {self.reasons[0]}")


def read_samples(
    reference: Reference, samples: Iterable[Sample], maker: ViewMaker, wanted: int
) -> list[Fitted]:
    """The first `wanted` usable ones of `samples` (or fewer) with their fitted images.

    Raises:
        AugcliError: none is usable; the message has the first reason.
    """
    reader = Reader(reference, maker)
    usable = list(islice(reader.usable(samples), wanted))
    if not usable:
        raise reader.nothing()
    return usable
