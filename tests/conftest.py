"""Images that the tests make for themselves; no test touches the user's cache."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CLASSES = ("circle", "square", "stripes")
PER_CLASS = 8

# Before torch is imported, here and in the processes that tests start: on their tiny networks
# a second thread mostly waits for the first, at full load.
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """`AUGCLI_CACHE` in a temporary folder, for this process and those it starts."""
    folder = tmp_path_factory.mktemp("cache")
    before = os.environ.get("AUGCLI_CACHE")
    os.environ["AUGCLI_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["AUGCLI_CACHE"]
    else:
        os.environ["AUGCLI_CACHE"] = before


def draw(class_name: str, number: int, width: int = 40, height: int = 56) -> Image.Image:
    """A smooth shape on a gradient, with texture: like a photograph to a codec."""
    rng = np.random.default_rng([CLASSES.index(class_name), number])
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    cx, cy = width * rng.uniform(0.35, 0.65), height * rng.uniform(0.35, 0.65)
    radius = rng.uniform(8, 14)
    inside = {
        "circle": np.hypot(x - cx, y - cy) < radius,
        "square": np.maximum(abs(x - cx), abs(y - cy)) < radius,
        "stripes": np.sin((x + y) * rng.uniform(0.5, 0.9)) > 0,
    }[class_name]
    base = rng.uniform(40, 120, 3) + (x + y)[:, :, None] * rng.uniform(0.2, 0.8, 3)
    pixels = base + inside[:, :, None] * rng.uniform(50, 100, 3) + rng.normal(0, 4, base.shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def write_images(folder: Path, numbers: range) -> None:
    for class_name in CLASSES:
        (folder / class_name).mkdir(parents=True)
        for number in numbers:
            draw(class_name, number).save(folder / class_name / f"{number:02d}.jpg", quality=92)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder per class, 8 JPEGs of 40 x 56 pixels each, no splits."""
    folder = tmp_path_factory.mktemp("photos") / "shapes"
    write_images(folder, range(PER_CLASS))
    return folder


@pytest.fixture(scope="session")
def split_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in train, validation and test folders: 6, 3 and 3 images of each class."""
    folder = tmp_path_factory.mktemp("split_photos") / "shapes"
    write_images(folder / "train", range(6))
    write_images(folder / "validation", range(6, 9))
    write_images(folder / "test", range(9, 12))
    return folder
