"""What the folders directly under a dataset's root are: classes, or splits that hold classes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from augcli.manifests.errors import UsageError
from augcli.manifests.sample_list import SPLITS
from augcli.manifests.splits import SPLIT_NAMES


def split_folders(root: Path, images: Iterable[str]) -> dict[str, str]:
    """Folder name -> split when the folders of `root` are splits; empty when they are classes.

    `images` are the paths of all images found. The folders are splits when there is a training
    folder and no folder that is none, except that `train` is a class like others when it stands
    beside them and holds images directly.

    Raises:
        UsageError: two folders mean one split, or a training folder with classes in it stands
            beside folders that are no splits.
    """
    nested: set[str] = set()
    direct: set[str] = set()
    for source in images:
        folder, slash, rest = source.partition("/")
        if slash:
            (nested if "/" in rest else direct).add(folder)
    splits = {name: split for name in nested | direct if (split := SPLIT_NAMES.get(name.lower()))}
    training = sorted(name for name, split in splits.items() if split == "train")
    if not training:
        return {}
    others = sorted((nested | direct) - set(splits))
    if others:
        if direct.isdisjoint(training):
            raise _two_readings(root, training[0], others)
        return {}
    _refuse_doubled(root, splits)
    return splits


def _two_readings(root: Path, training: str, others: list[str]) -> UsageError:
    listed = ", ".join(others[:3]) + (", …" if len(others) > 3 else "")
    return UsageError(
        f"--data {root}: '{training}' holds folders of images as a training split does, but "
        f"stands beside {listed}. If the folders are splits, move {listed} elsewhere; if they "
        f"are classes, put the images of '{training}' directly into it or rename it"
    )


def _refuse_doubled(root: Path, splits: dict[str, str]) -> None:
    for split in SPLITS:
        doubled = sorted(name for name, of in splits.items() if of == split)
        if len(doubled) > 1:
            raise UsageError(
                f"--data {root}: the folders {' and '.join(doubled)} both mean the {split} "
                "split: keep one of them"
            )
