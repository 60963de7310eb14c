"""From a folder or a table to a list of samples: every file ends as a sample or as a failure.

Used: regular files with an image extension (any case). Skipped and reported: hidden files and
folders, other extensions, files outside a class folder, names that are not UTF-8, second names of
a file, augcli's own outputs. No image is opened here.
"""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from augcli.manifests.errors import UsageError
from augcli.manifests.inputs import OneOfEach, is_utf8, shown, why_not_by_name
from augcli.manifests.keys import sample_key
from augcli.manifests.layout import split_folders
from augcli.manifests.reference import Failure, Reference
from augcli.manifests.sample_list import Sample, Samples
from augcli.manifests.splits import resolve_fractions, split_of
from augcli.manifests.table import TABLE_EXTENSIONS, read_table, source_in
from augcli.manifests.walk import list_folder, own_output, walk


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
    root = data_root(data)
    name = name or _name_of(data)
    found, skipped = scan_folder(root) if root == data else scan_table(data)
    if not found:
        raise UsageError(f"--data {data}: no images found; expected one folder per class in it")
    present = frozenset(image.split for image in found if image.split)
    fractions = resolve_fractions(present, val_fraction, test_fraction)
    classes = tuple(sorted({image.class_name for image in found}))
    return Reference(
        name=name,
        spec=spec,
        root=root,
        classes=classes,
        samples=Samples.of(_samples(found, classes, fractions)),
        skipped=tuple(sorted(skipped, key=lambda failure: failure.source)),
    )


def data_root(data: Path) -> Path:
    """The folder that sources are relative to: `data` itself, or the folder of the table.

    Raises:
        UsageError: `data` is not there, or neither a folder nor a table.
    """
    try:
        os.stat(data)  # noqa: PTH116, follows links
    except FileNotFoundError:
        raise UsageError(f"--data {shown(str(data))}: no such file or folder") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"--data {shown(str(data))}: can't be read: {reason}") from error
    if data.is_dir():
        return data
    if data.suffix.lower() in TABLE_EXTENSIONS and data.is_file():
        return data.parent
    raise UsageError(f"--data {data}: expected a folder, or a table ending in .csv or .tsv")


def scan_folder(root: Path) -> tuple[list[Found], list[Failure]]:
    """Images and skipped files under `root`, in no particular order.

    Raises:
        UsageError: `root` is an output of augcli, or its layout has two readings.
        AugcliError: a folder can't be read.
    """
    _refuse_own_output(root)
    skipped: list[Failure] = []
    images: list[str] = []
    for walked in walk(root):
        reason = walked.reason or why_not_by_name(walked.source)
        if reason:
            skipped.append(Failure(shown(walked.source), reason))
        else:
            images.append(walked.source)
    splits = split_folders(root, images)
    one_of_each = OneOfEach(root)
    found: list[Found] = []
    for source in sorted(images):
        image = _placed(source, splits)
        reason = one_of_each.why_not(source) if image else "not in a class folder"
        if image is None or reason:
            skipped.append(Failure(source, reason))
        else:
            found.append(image)
    again = one_of_each.second_names()
    skipped += [Failure(found[n].source, _same_as(found[first])) for n, first in again.items()]
    return _but(found, again), skipped


def scan_table(table: Path) -> tuple[list[Found], list[Failure]]:
    """Images and skipped rows of a table; paths are relative to the table's folder."""
    found: list[Found] = []
    lines = array("q")
    skipped: list[tuple[int, Failure]] = []
    seen: set[str] = set()
    one_of_each = OneOfEach(table.parent)

    def skip(source: str, reason: str, line: int) -> None:
        skipped.append((line, Failure(shown(source), f"{reason} ({table.name}, line {line})")))

    for row in read_table(table):
        source = source_in(table, row.path)
        if source is None:
            source, reason = row.path, "outside the folder of the table"
        elif source in seen:
            reason = "listed twice"
        else:
            reason = why_not_by_name(source) or one_of_each.why_not(source)
        if reason:
            skip(source, reason, row.line)
        else:
            found.append(Found(source, sys.intern(row.label), sys.intern(row.split)))
            lines.append(row.line)
        seen.add(source)
    again = one_of_each.second_names()
    for number, first in again.items():
        skip(found[number].source, _same_as(found[first]), lines[number])
    skipped.sort(key=lambda each: each[0])
    return _but(found, again), [failure for _, failure in skipped]


def _same_as(first: Found) -> str:
    return f"the same file as {first.source}"


def _but(found: list[Found], left_out: Container[int]) -> list[Found]:
    return [image for number, image in enumerate(found) if number not in left_out]


def _name_of(data: Path) -> str:
    """The name that cards and manifests give to the user's data."""
    resolved = data.resolve()
    name = resolved.name if data.is_dir() else resolved.stem
    if not is_utf8(name):
        raise UsageError(f"--data {shown(str(resolved))}: the name is not UTF-8: rename it")
    return name


def _refuse_own_output(root: Path) -> None:
    if what := own_output(root, list_folder(root)):
        raise UsageError(
            f"--data {root}: is {what.removeprefix('in ')}; name the images that it was made from"
        )


def _placed(source: str, splits: dict[str, str]) -> Found | None:
    """The image with the class and split that its folders name; None outside class folders."""
    folders = source.split("/")[:-1]
    split = splits.get(folders[0], "") if folders else ""
    if splits:
        folders = folders[1:] if split else []
    return Found(source, sys.intern(folders[0]), split) if folders else None


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
