"""The work that every reader is given: a plain record, handed to each process as a JSON file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from side_by_side.work import Work

POLICY = "flat"
SHARDS_PER_WORKER = 2


@dataclass(frozen=True)
class ReadWork:
    """Batches of `batch` uint8 images of `size` x `size` pixels, in whole epochs, shuffled.

    In `folder` are the user's images (`data/CLASS/NAME`), one augmented view of each as augcli
    expanded it (`jpeg` and `npy`, named by the codec), and what was converted from these views
    (`converted/READER`). A reader is timed for at least `seconds`.
    """

    folder: str
    size: int
    batch: int
    workers: int
    seconds: float
    policy_argument: str
    seed: int = 0

    @property
    def data(self) -> Path:
        """The user's images, a folder per class."""
        return Path(self.folder, "data")

    def dataset(self, codec: str) -> Path:
        """What augcli expanded with this codec."""
        return Path(self.folder, codec)

    def shards(self, codec: str) -> list[str]:
        """The paths of its shards."""
        return [str(path) for path in sorted(self.dataset(codec).glob("shards/*.tar"))]

    def converted(self, name: str) -> Path:
        """What a reader's own format is in."""
        return Path(self.folder, "converted", name)

    def expansion(self, codec: str) -> Work:
        """What augcli is asked for: one augmented view of each image."""
        return Work(
            data=str(self.data),
            output=str(self.dataset(codec)),
            size=self.size,
            copies=1,
            workers=self.workers,
            policy=POLICY,
            policy_argument=self.policy_argument,
            seed=self.seed,
        )

    def shard_images(self, images: int) -> int:
        """Images per shard: at most about 1000, and as many shards for each worker."""
        shards = self.workers * max(SHARDS_PER_WORKER, math.ceil(images / (1000 * self.workers)))
        return max(1, math.ceil(images / shards))

    def write(self, path: Path) -> None:
        """Write the JSON file that `load_work` reads."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


def load_work(path: str | Path) -> ReadWork:
    """The work in a JSON file."""
    return ReadWork(**json.loads(Path(path).read_text(encoding="utf-8")))


def stored_bytes(folder: Path) -> int:
    """What the files below a folder take together."""
    return sum(path.stat().st_size for path in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
