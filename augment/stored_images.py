"""The images that a finished dataset was made from, as its table of views names them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from augcli.manifests.lookup import Lookup
from augcli.manifests.sample_list import Sample, Samples

SHA256_BYTES = 32


class StoredRow(NamedTuple):
    """What is known of an image: where it is, and the hash that its bytes had (in hex)."""

    sample: Sample
    sha256: str
    chunk: int


class StoredImages:
    """The images of a dataset, packed: 65 bytes each, and their names.

    Attributes:
        samples: in the order in which they are stored.
        chunks: the chunk of each: int64 (samples,).
    """

    def __init__(self, rows: Iterable[StoredRow]) -> None:
        """`rows` may repeat an image that balancing shows several times, next to each other.

        Raises:
            KeyError: a split that there is not.
            ValueError: a hash that is none.
        """
        self._sha256 = bytearray()
        chunks = array("q")

        def samples() -> Iterator[Sample]:
            last = ""
            for row in rows:
                if row.sample.key != last:
                    last = row.sample.key
                    self._sha256 += _sha256(row.sha256)
                    chunks.append(row.chunk)
                    yield row.sample

        self.samples = Samples.of(samples())
        self.chunks: npt.NDArray[np.int64] = np.frombuffer(chunks, np.int64)

    def sha256(self, number: int) -> str:
        """In hex, the hash that an image had."""
        return self._sha256[number * SHA256_BYTES : (number + 1) * SHA256_BYTES].hex()

    @cached_property
    def by_key(self) -> Lookup:
        """Finds images by key."""
        return Lookup(self.samples.keys)

    @cached_property
    def by_source(self) -> Lookup:
        """Finds images by source."""
        return Lookup(self.samples.sources)


def _sha256(text: str) -> bytes:
    digest = bytes.fromhex(text)
    if len(digest) != SHA256_BYTES:
        raise ValueError(f"{text!r:.80} is no SHA-256")
    return digest
