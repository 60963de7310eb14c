"""The embedded data set, mock galaxies: generated on first use, then kept in the cache.

Synthetic, seeded and small on purpose, so that augmentation matters. Each image is a function of
(split, class, number) only.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np

from augcli.augment.engines import default_workers, run_tasks
from augcli.augment.galaxies import CLASSES, render
from augcli.manifests.cache import cache_folder
from augcli.manifests.errors import AugcliError
from augcli.manifests.hashing import view_seed

VERSION = 1  # a new number for any change of the images
IMAGES_PER_CLASS = {"train": 80, "validation": 25, "test": 60}
JPEG_QUALITY = 95


def galaxies_folder() -> Path:
    """The folder of the mock galaxies, split and class folders; made if it isn't there.

    Raises:
        AugcliError: the cache folder can't be written.
    """
    folder = cache_folder() / f"galaxies-v{VERSION}"
    if folder.is_dir():
        return folder  # it got its name when it was whole
    temporary = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
    try:
        _render_all(temporary)
        _publish(temporary, folder)
    except OSError as error:
        raise AugcliError(
            f"{error.filename or folder}: can't be written: {error.strerror}; "
            "the embedded data set needs 15 MB: set AUGCLI_CACHE to a folder with room"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _render_all(folder: Path) -> None:
    tasks = []
    for split, count in IMAGES_PER_CLASS.items():
        for name in CLASSES:
            target = folder / split / name
            target.mkdir(parents=True)
            tasks.append((target, split, name, count))
    for _ in run_tasks(_render_class, tasks, default_workers()):
        pass


def _render_class(task: tuple[Path, str, str, int]) -> None:
    from augcli.augment.encode import codec_named
    from augcli.augment.frame import rgbx_of

    folder, split, name, count = task
    encode = codec_named("jpeg").encode
    for number in range(count):
        rng = np.random.default_rng(view_seed(VERSION, f"{split}/{name}", number))
        image = rgbx_of(render(name, rng))
        (folder / f"{number:04d}.jpg").write_bytes(encode(image, JPEG_QUALITY))


def _publish(temporary: Path, folder: Path) -> None:
    """Give the finished folder its name; another process may have been first."""
    try:
        os.replace(temporary, folder)
    except OSError:
        if not folder.is_dir():
            raise
