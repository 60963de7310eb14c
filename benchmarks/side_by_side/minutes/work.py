"""What every trainer is given: a plain record, handed to each process as a JSON file."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from side_by_side.data import find_images

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)


@dataclass(frozen=True)
class MinutesWork:
    """A classifier from scratch, of images `size` pixels high and wide, in so many minutes.

    `data` has `train/CLASS/`, `validation/CLASS/` and `test/CLASS/`. In `folder` are the shards
    that augcli expanded (`shards`) and what a run writes (`run`). Loaders have `workers` each.
    """

    data: str
    folder: str
    size: int
    minutes: float
    workers: int
    seed: int = 0

    @property
    def seconds(self) -> float:
        """What a training may take."""
        return self.minutes * 60

    @property
    def shards(self) -> Path:
        """The dataset that augcli expanded."""
        return Path(self.folder, "shards")

    @property
    def run(self) -> Path:
        """The folder of one run, new for each."""
        return Path(self.folder, "run")

    def split(self, name: str) -> Path:
        """The folder per class of a split."""
        return Path(self.data, name)

    def write(self, path: Path) -> None:
        """Write the JSON file that `load_work` reads."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


def load_work(path: str | Path) -> MinutesWork:
    """The work in a JSON file."""
    return MinutesWork(**json.loads(Path(path).read_text(encoding="utf-8")))


def count_images(data: Path) -> dict[str, int]:
    """The images of each split.

    Raises:
        ValueError: a split is missing, or has other classes than the training split: trainers
            number the classes of each split by themselves.
    """
    images = {split: find_images(data / split) for split in SPLITS}
    classes = {split: {path.parent.name for path in paths} for split, paths in images.items()}
    for split in SPLITS:
        if not images[split]:
            raise ValueError(f"no images in {split}/CLASS/")
        different = sorted(classes[split] ^ classes[TRAIN])
        if different:
            raise ValueError(
                f"{split}/ and {TRAIN}/ must have the same classes; only one of them has images "
                f"of {', '.join(different)}"
            )
    return {split: len(paths) for split, paths in images.items()}
