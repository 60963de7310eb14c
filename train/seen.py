"""Which images a run was trained and validated on: hashes of their keys and of their bytes.

A run from an expanded dataset has them there; one straight from a reference dataset, which may
change afterwards, keeps them in `seen.pt`, 16 bytes for each image.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from augcli.manifests.errors import AugcliError
from augcli.manifests.files import atomic_file
from augcli.train.torch_files import load_torch

FORMAT = "augcli-seen"
VERSION = 1

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Images:
    """Of images, 64-bit hashes of their keys and of their bytes, both (images,)."""

    keys: Hashes
    contents: Hashes

    @property
    def pairs(self) -> Hashes:
        """A hash of key and bytes together, (images,)."""
        return self.keys ^ self.contents


@dataclass(frozen=True)
class Seen:
    """The images of a run's training and validation splits."""

    train: Images
    val: Images

    def splits_of(self, images: Images) -> list[str]:
        """For each image the split in which the run had it: train, val, or '' where it had not.

        It is known by its bytes. If any has both key and bytes of one that the run had, they come
        from the same dataset, and keys alone tell too: an image may have been saved once more.
        """
        parts = {"val": self.val, "train": self.train}
        keys_tell = any(np.isin(images.pairs, part.pairs).any() for part in parts.values())
        found = np.full(len(images.keys), "", object)
        for split, part in parts.items():
            had = np.isin(images.contents, part.contents)
            if keys_tell:
                had |= np.isin(images.keys, part.keys)
            found[had] = split
        return found.tolist()


def hashed(keys: Sequence[str], sha256s: Iterable[str]) -> Images:
    """Images by their keys and the SHA-256 of their bytes, in hex."""
    digests = (hashlib.blake2b(key.encode(), digest_size=8).digest() for key in keys)
    contents = (int(sha256[:16], 16) for sha256 in sha256s)
    return Images(
        np.frombuffer(b"".join(digests), "<u8").astype(np.uint64),
        np.fromiter(contents, np.uint64, len(keys)),
    )


def write_seen(path: Path, seen: Seen) -> None:
    """Write `seen.pt`: for each split int64 (images, 2), the hashes of keys and of bytes.

    Raises:
        OSError: it can't be written.
    """
    parts = {"train": seen.train, "val": seen.val}
    tensors = {
        split: torch.from_numpy(np.stack([part.keys, part.contents], axis=1).view(np.int64))
        for split, part in parts.items()
    }
    with atomic_file(path) as file:
        torch.save({"format": FORMAT, "version": VERSION, **tensors}, file)


def read_seen(path: Path) -> Seen:
    """What `write_seen` wrote.

    Raises:
        AugcliError: it can't be read, or is something else.
    """
    try:
        with open(path, "rb") as file:
            content = load_torch(file)
        if (content["format"], content["version"]) != (FORMAT, VERSION):
            raise ValueError(f"it is {content['format']!r:.40}, {content['version']!r:.40}")
        return Seen(_images(content["train"]), _images(content["val"]))
    except Exception as error:  # arbitrary content can fail in any way
        raise AugcliError(
            f"{path}: no record of the images that a run had: it is damaged, or made by another "
            f"augcli: {error!r:.300}"
        ) from error


def _images(stored: torch.Tensor) -> Images:
    if stored.dtype != torch.int64 or stored.ndim != 2 or stored.shape[1] != 2:
        raise ValueError(f"hashes of {stored.dtype} and shape {tuple(stored.shape)}")
    keys, contents = stored.numpy().view(np.uint64).T
    return Images(keys, contents)
