"""The work that every peer is given: a plain record, handed to each process as a JSON file."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path

QUALITY = 90
IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class Work:
    """`copies` augmented views of each image under `data/CLASS/`, `size` x `size` pixels.

    `output` is a fresh folder; `policy` a name in `policies.POLICIES`, and `policy_argument` what
    augcli's `--policy` gets for it. Views are JPEG of quality 90 with 4:2:0 subsampling.
    """

    data: str
    output: str
    size: int
    copies: int
    workers: int
    policy: str
    policy_argument: str
    seed: int = 0

    def images(self) -> list[tuple[str, int]]:
        """(path, label) of every image, sorted."""
        classes = sorted(path for path in Path(self.data).iterdir() if path.is_dir())
        return [
            (str(path), label)
            for label, folder in enumerate(classes)
            for path in sorted(folder.iterdir())
        ]

    def parts(self) -> list[list[tuple[str, int]]]:
        """The images dealt out to the workers."""
        images = self.images()
        return [images[worker :: self.workers] for worker in range(self.workers)]

    def write(self, path: Path) -> None:
        """Write the JSON file that `read_work` reads."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


def read_work(path: str | Path) -> Work:
    """The work in a JSON file."""
    return Work(**json.loads(Path(path).read_text(encoding="utf-8")))


def view_key(path: str, copy: int) -> str:
    """The name of a view: class and stem of its image, and the copy; without dots."""
    image = Path(path)
    return f"{image.parent.name}_{image.stem}_{copy}".replace(".", "_")


def image_seed(path: str, seed: int) -> int:
    """One seed per image, of 32 bits."""
    image = Path(path)
    return zlib.crc32(f"{image.parent.name}/{image.name}".encode(), seed)
