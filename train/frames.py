"""Fitted images, which fresh views are made of: from the images' files, or as they were stored."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from augcli.augment.decode import DecodeError
from augcli.augment.frame import Frame, rgbx_of
from augcli.augment.views import ViewMaker
from augcli.manifests.errors import AugcliError
from augcli.manifests.hashing import sha256_bytes
from augcli.train.batch_memory import Block
from augcli.train.stored_views import StoredViews


@dataclass(frozen=True)
class SourceFile:
    """A reference image to be read again and again; `sha256` is what its bytes must have.

    A sample with `repeats` views per round is there as often, with `turn` counting them from 0.
    """

    key: str
    path: Path
    label: int
    sha256: str
    turn: int = 0
    repeats: int = 1


class Frames(Protocol):
    """The fitted images of samples, by number. Safe for threads, and picklable."""

    def frame(self, sample: int, maker: ViewMaker) -> Frame:
        """The fitted image; `maker` belongs to the calling thread.

        Raises:
            AugcliError: it can't be had; the message names file or shard.
        """
        ...

    def close(self) -> None:
        """Let go of files. Idempotent."""
        ...


class FolderFrames:
    """Decoded from the images' files whenever asked for.

    The bytes are held against their hash when a file is first read, and again when its size or
    its time of change is another.
    """

    def __init__(self, files: Sequence[SourceFile]) -> None:
        self._files = files
        self._known: dict[int, tuple[int, int]] = {}

    def frame(self, sample: int, maker: ViewMaker) -> Frame:
        """The fitted image of a file."""
        file = self._files[sample]
        try:
            return maker.fitted(self._bytes(sample, file))
        except DecodeError as error:
            raise AugcliError(f"{file.path}: {error}") from error

    def close(self) -> None:
        """Nothing is held open."""

    def _bytes(self, sample: int, file: SourceFile) -> bytes:
        try:
            with open(file.path, "rb", buffering=0) as opened:
                state = os.fstat(opened.fileno())
                data = opened.read()
        except OSError as error:
            raise AugcliError(f"{file.path}: can't be read: {error.strerror}") from error
        stamp = (state.st_size, state.st_mtime_ns)
        if self._known.get(sample) != stamp or len(data) != state.st_size:
            if sha256_bytes(data) != file.sha256:
                raise AugcliError(
                    f"{file.path}: is not the image that was expanded, or looked at when training "
                    "began (its bytes have changed); put it back, or begin anew in another folder"
                )
            self._known[sample] = stamp
        return data


class StoredFrames:
    """The originals that an expansion stored: exact from a lossless codec, near from JPEG."""

    def __init__(self, views: StoredViews, files: Sequence[SourceFile], size: int) -> None:
        self._views = views
        self._shape = (1, size, size, 3)
        first: dict[str, int] = {}
        for sample, file in enumerate(files):
            first.setdefault(file.key, sample)
        self._stored = [first[file.key] for file in files]  # its views of round 0 begin with it

    def frame(self, sample: int, maker: ViewMaker) -> Frame:
        """The stored original."""
        pixels = np.empty(self._shape, np.uint8)
        faults = self._views.read(np.array([self._stored[sample]]), 0, pixels)
        if faults:
            raise AugcliError(faults[0][1])
        return Frame(rgbx_of(pixels[0]))

    def close(self) -> None:
        """Forget the shards."""
        self._views.close()


class KeptFrames:
    """Others' frames, kept in memory from the first time on.

    `pixels` are uint8 RGBX (samples, size, size, 4), `there` uint8 (samples,), zeros at first.
    """

    def __init__(self, frames: Frames, pixels: Block, there: Block) -> None:
        self._frames, self._pixels, self._there = frames, pixels, there

    def frame(self, sample: int, maker: ViewMaker) -> Frame:
        """The fitted image, decoded at most once."""
        kept = self._pixels.pixels[sample]
        if not self._there.pixels[sample]:
            np.copyto(kept, self._frames.frame(sample, maker).pixels)
            self._there.pixels[sample] = 1
        return Frame(kept)

    def close(self) -> None:
        """Let go of what they come from."""
        self._frames.close()
