"""Training straight from a reference dataset: every image looked at once, before the first epoch.

An epoch must know beforehand which samples it has, and a resumed run whether they are the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from augcli.augment.decode import DecodeError
from augcli.augment.engines import default_workers
from augcli.augment.views import Recipe, ViewMakers
from augcli.manifests.errors import AugcliError
from augcli.manifests.hashing import fingerprint, sha256_bytes
from augcli.manifests.reference import Failure, Reference, check_trainable
from augcli.manifests.sample_list import Sample
from augcli.train.frames import SourceFile


@dataclass(frozen=True)
class CheckedImages:
    """The images that can be used, each with the SHA-256 of its bytes, and those that can't."""

    reference: Reference
    digests: Mapping[str, str]
    """SHA-256 in hex by key; no entry for an image that can't be used."""
    failures: tuple[Failure, ...]

    def files(self, split: str) -> list[SourceFile]:
        """The usable images of one split."""
        return self.usable(self.reference.of_split(split))

    def usable(self, samples: Sequence[Sample]) -> list[SourceFile]:
        """Those of `samples` that can be used."""
        return [
            SourceFile(sample.key, self.reference.path(sample), sample.label, digest)
            for sample in samples
            if (digest := self.digests.get(sample.key)) is not None
        ]

    def fingerprint(self) -> str:
        """A hash of which usable images there are and of their bytes."""
        return fingerprint(f"{key}\0{digest}" for key, digest in sorted(self.digests.items()))


def check_images(reference: Reference, recipe: Recipe) -> CheckedImages:
    """Read, hash and decode every image once.

    Raises:
        AugcliError: too few can be used to train; the first that can't is named.
    """
    images = look_at(reference, reference.samples, recipe)
    _check_enough(images)
    return images


def look_at(reference: Reference, samples: Sequence[Sample], recipe: Recipe) -> CheckedImages:
    """Read, hash and decode some of the images of `reference`."""
    makers = ViewMakers(recipe)

    def look(sample: Sample) -> tuple[str, str]:
        """The hash, and why the image can't be used or ''."""
        try:
            data = reference.path(sample).read_bytes()
            makers.own().fitted(data)
        except DecodeError as error:
            return "", str(error)
        except OSError as error:
            return "", error.strerror or "can't be read"
        return sha256_bytes(data), ""

    with ThreadPoolExecutor(default_workers()) as pool:
        looks = list(zip(samples, pool.map(look, samples), strict=True))
    digests = {sample.key: digest for sample, (digest, reason) in looks if not reason}
    failures = tuple(Failure(sample.source, reason) for sample, (_, reason) in looks if reason)
    return CheckedImages(reference, digests, failures)


def _check_enough(images: CheckedImages) -> None:
    reference, failures = images.reference, images.failures
    usable = reference.samples.without({failure.source for failure in failures})
    try:
        check_trainable(dataclasses.replace(reference, samples=usable))
    except AugcliError as error:
        if not failures:
            raise
        first = f"{reference.root / failures[0].source}: {failures[0].reason}"
        raise AugcliError(f"{error}\n{len(failures)} images can't be used, first {first}") from None
