"""The images of a run: the training split only, perhaps a part of it, in a folder of their own."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from side_by_side.work import IMAGE_EXTENSIONS


def training_folder(data: Path) -> Path:
    """`data/train` where there is one, else `data` itself: a folder per class is in it."""
    train = data / "train"
    return train if train.is_dir() else data


def find_images(folder: Path) -> list[Path]:
    """The images in the class folders of `folder`, sorted."""
    return sorted(
        path
        for path in folder.glob("*/*")
        if path.suffix.lower() in IMAGE_EXTENSIONS and not path.name.startswith(".")
    )


def choose(images: list[Path], limit: int | None) -> list[Path]:
    """`limit` images by a hash of their names: every class in its proportion, always the same."""
    if limit is None or limit >= len(images):
        return images
    by_hash = sorted(images, key=lambda path: hashlib.sha256(os.fsencode(path.name)).digest())
    return sorted(by_hash[:limit])


def gather(images: list[Path], folder: Path) -> int:
    """Link (or copy) images to `folder/CLASS/NAME`; the bytes they have together."""
    for image in images:
        target = folder / image.parent.name / image.name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            target.hardlink_to(image.resolve())
        except OSError:  # another file system
            shutil.copyfile(image, target)
    return sum(image.stat().st_size for image in images)
