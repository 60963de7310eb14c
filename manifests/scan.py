"""From a folder or a table to a list of samples: every file ends as a sample or as a failure.

Used: files with an image extension (any case). Skipped and reported: hidden files, other
extensions, files outside a class folder, names that are not UTF-8. Nothing is opened here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.keys import sample_key
from augcli.manifests.reference import SPLITS, Failure, Reference, Sample
from augcli.manifests.splits import SPLIT_NAMES, resolve_fractions, split_of
from augcli.manifests.table import TABLE_EXTENSIONS, read_table

IMAGE_EXTENSIONS = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".bmp",
        ".dib",
        ".gif",
        ".tif",
        ".tiff",
        ".mpo",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
    ]
)


@dataclass(frozen=True, slots=True)
class Found:
    """An image found, with the split it came with ('' when the data don't say)."""

    source: str
    class_name: str
    split: str


def scan(
    data: Path,
    *,
    name: str | None = None,
    spec: str = "",
    val_fraction: float | None = None,
    test_fraction: float | None = None,
) -> Reference:
    """Scan a folder-per-class tree, with or without split folders, or a CSV or TSV table.

    Raises:
        UsageError: `data` is neither, or its layout can't be understood.
        AugcliError: `data` can't be read.
    """
    if data.is_dir():
        root = data
        found, skipped = scan_folder(data)
    elif data.suffix.lower() in TABLE_EXTENSIONS and data.is_file():
        root = data.parent
        found, skipped = scan_table(data)
    elif data.exists():
        raise UsageError(f"--data {data}: expected a folder, or a table ending in .csv or .tsv")
    else:
        raise UsageError(f"--data {data}: no such file or folder")
    if not found:
        raise UsageError(f"--data {data}: no images found; expected one folder per class in it")
    present = frozenset(image.split for image in found if image.split)
    fractions = resolve_fractions(present, val_fraction, test_fraction)
    classes = tuple(sorted({image.class_name for image in found}))
    return Reference(
        name=name or _name_of(data),
        spec=spec,
        root=root,
        classes=classes,
        samples=tuple(_samples(found, classes, fractions)),
        skipped=tuple(sorted(skipped, key=lambda failure: failure.source)),
    )


def scan_folder(root: Path) -> tuple[list[Found], list[Failure]]:
    """Images and skipped files under `root`, in no particular order."""
    splits = _split_folders(root)
    found: list[Found] = []
    skipped: list[Failure] = []
    for source in _walk(root, skipped):
        folders = source.split("/")[:-1]
        split = splits.get(folders[0], "") if folders and splits else ""
        if splits:
            folders = folders[1:] if split else []
        reason = _why_skipped(source, has_class=bool(folders))
        if reason:
            skipped.append(Failure(source, reason))
        else:
            found.append(Found(source, folders[0], split))
    return found, skipped


def scan_table(table: Path) -> tuple[list[Found], list[Failure]]:
    """Images and skipped rows of a table; paths are relative to the table's folder."""
    found: list[Found] = []
    skipped: list[Failure] = []
    seen: set[str] = set()
    for row in read_table(table):
        source = Path(row.path).as_posix()
        if source in seen:
            skipped.append(Failure(source, f"listed twice in {table.name}, line {row.line}"))
        elif not os.path.isfile(table.parent / source):  # noqa: PTH113, is_file raises
            skipped.append(Failure(source, f"no such file ({table.name}, line {row.line})"))
        elif reason := _why_skipped(source, has_class=True):
            skipped.append(Failure(source, reason))
        else:
            found.append(Found(source, row.label, row.split))
        seen.add(source)
    return found, skipped


def _name_of(data: Path) -> str:
    resolved = data.resolve()
    return resolved.name if data.is_dir() else resolved.stem


def _split_folders(root: Path) -> dict[str, str]:
    """Folder name -> split, when the folders of `root` are splits; else empty."""
    folders = [entry.name for entry in _entries(root) if _is_dir(entry)]
    splits = {name: SPLIT_NAMES[name.lower()] for name in folders if name.lower() in SPLIT_NAMES}
    if "train" not in splits.values():
        return {}
    for split in SPLITS:
        doubled = sorted(name for name, of in splits.items() if of == split)
        if len(doubled) > 1:
            raise UsageError(
                f"--data {root}: the folders {' and '.join(doubled)} both mean the {split} "
                "split: keep one of them"
            )
    return splits


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted((e for e in entries), key=lambda entry: entry.name)
    except OSError as error:
        raise AugcliError(f"{folder}: can't be read: {error.strerror}") from error


def _walk(root: Path, skipped: list[Failure]) -> Iterator[str]:
    """Relative paths of all files; links to folders are followed, but not in circles.

    Links come last: a folder of the dataset that is also linked to counts where it really is.
    """
    visited: set[tuple[int, int]] = set()
    pending = [""]
    links: list[str] = []
    while pending or links:
        folder = pending.pop() if pending else links.pop(0)
        stat = (root / folder).stat()
        if (stat.st_dev, stat.st_ino) in visited:
            skipped.append(Failure(folder, "a link to a folder that was already scanned"))
            continue
        visited.add((stat.st_dev, stat.st_ino))
        inside: list[str] = []
        for entry in _entries(root / folder):
            source = f"{folder}/{entry.name}" if folder else entry.name
            if not _is_utf8(source):
                shown = source.encode(errors="backslashreplace").decode()
                skipped.append(Failure(shown, "the name is not UTF-8: rename it"))
            elif not _is_dir(entry):
                yield source
            elif entry.name.startswith("."):
                skipped.append(Failure(source, "hidden folder"))
            else:
                (links if entry.is_symlink() else inside).append(source)
        pending.extend(reversed(inside))


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: no folder, and no readable file either
        return False


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _why_skipped(source: str, has_class: bool) -> str:
    """Why a file is no sample, or '' when it is one."""
    name = source.rpartition("/")[2]
    extension = os.path.splitext(name)[1]  # noqa: PTH122, a string and not a file
    if name.startswith("."):
        return "hidden file"
    if extension.lower() not in IMAGE_EXTENSIONS:
        return f"not an image extension: {extension}" if extension else "no image extension"
    return "" if has_class else "not in a class folder"


def _samples(
    found: Iterable[Found], classes: tuple[str, ...], fractions: tuple[float, float]
) -> Iterator[Sample]:
    """Samples with keys, labels and splits, sorted by source.

    Where the data bring splits, only training samples can become validation or test samples.
    """
    labels = {name: label for label, name in enumerate(classes)}
    for image in sorted(found, key=lambda image: image.source):
        key = sample_key(image.source)
        split = image.split
        if split in ("", "train"):
            split = split_of(key, *fractions)
        yield Sample(key, image.source, split, labels[image.class_name])
