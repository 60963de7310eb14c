"""`augcli preview`: originals beside their augmented views, for judging a policy by eye."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from augcli.augment.choosing import Reader, by_turns, read_samples
from augcli.augment.config import DEFAULT_PREVIEW, PreviewConfig
from augcli.augment.contact_sheets import policies_sheet, samples_sheet, strips_sheet
from augcli.augment.gallery import Gallery, open_gallery
from augcli.augment.page import Page
from augcli.augment.panels import Panel
from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.files import write_atomic
from augcli.manifests.settings import check_settings

_UNSAFE = re.compile(r"[^\w-]+")
_MAX_NAME = 40  # characters of a class in a file's name


@dataclass(frozen=True)
class PreviewResult:
    """The files that were written, and what they show: the samples' keys, each once.

    `left_out` is how many more samples the page would have shown if it were not full.
    """

    pictures: tuple[Path, ...]
    page: Path | None
    policies: tuple[str, ...]
    keys: tuple[str, ...]
    left_out: int

    @property
    def files(self) -> tuple[Path, ...]:
        """The pictures, then the page."""
        return self.pictures if self.page is None else (*self.pictures, self.page)

    def to_json(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {
            "pictures": [str(path) for path in self.pictures],
            "page": None if self.page is None else str(self.page),
            "policies": list(self.policies),
            "keys": list(self.keys),
            "left_out": self.left_out,
        }


def preview(config: PreviewConfig) -> PreviewResult:
    """Draw contact sheets or strips of views, or make a page of both, and write them.

    With the policy `all`, images under every preset; otherwise images of all classes under one
    policy. The views are exactly copies 1, 2, … that an expansion would make.

    Raises:
        UsageError: a bad option, policy, class or dataset.
        AugcliError: no usable image, or a file can't be written.
    """
    config = check_settings(config)
    _check_files(config)
    gallery = open_gallery(config)
    keys: list[str] = []
    pictures = []
    if config.html is None or config.out or config.by_class or config.strips:
        for path, labels in _pictures(gallery, config):
            _write("--out", path, _picture(gallery, config, labels, keys))
            pictures.append(path)
    left_out = 0
    if config.html is not None:
        page, left_out = _page(gallery, config, keys)
        _write("--html", config.html, page.encode())
    shown = tuple(dict.fromkeys(keys))
    return PreviewResult(tuple(pictures), config.html, gallery.policies, shown, left_out)


def _check_files(config: PreviewConfig) -> None:
    """A page in a file that is called a picture, or the other way round, opens nowhere."""
    for name, path, endings in (
        ("--out", config.out, (".png",)),
        ("--html", config.html, (".html", ".htm")),
    ):
        if path is not None and path.suffix.lower() not in endings:
            raise UsageError(f"{name} {path}: expected a name that ends in {endings[0]}")


def _pictures(gallery: Gallery, config: PreviewConfig) -> Iterator[tuple[Path, Sequence[int]]]:
    """Where each picture belongs and the labels that it shows: all of them, or one of each."""
    out = config.out or DEFAULT_PREVIEW
    if not config.by_class:
        yield out, gallery.labels
        return
    classes = gallery.reference.classes
    digits = len(str(len(classes) - 1))
    for label in gallery.labels:
        # The number keeps names apart that differ in case or in what no file can be called.
        safe = _UNSAFE.sub("-", classes[label])[:_MAX_NAME].strip("-")
        name = "-".join(filter(None, (out.stem, f"{label:0{digits}d}", safe)))
        yield out.with_name(f"{name}{out.suffix}"), (label,)


def _picture(
    gallery: Gallery, config: PreviewConfig, labels: Sequence[int], keys: list[str]
) -> bytes:
    """A PNG; the keys of its samples are added to `keys`."""
    many_rows = config.strips or len(gallery.policies) > 1
    shown = read_samples(
        gallery.reference,
        by_turns(gallery.reference, labels),
        gallery.makers[0],
        wanted=1 if many_rows else config.samples,
    )
    keys += [sample.key for sample, _ in shown]
    if config.strips:
        return strips_sheet(gallery, *shown[0])
    if many_rows:
        return policies_sheet(gallery, *shown[0])
    return samples_sheet(gallery, shown, one_class=len(labels) == 1)


def _page(gallery: Gallery, config: PreviewConfig, keys: list[str]) -> tuple[str, int]:
    """The page and how many samples it left out; the keys of its samples are added to `keys`.

    A class's first sample is also shown under each transform; with many policies, and so many
    transforms, only the very first one is.
    """
    reference = gallery.reference
    page = Page(gallery.title, reference.classes)
    reader = Reader(reference, gallery.makers[0])
    started = set[int]()
    wanted = by_turns(reference, gallery.labels)
    count = 0
    for sample, fitted in reader.usable(wanted, per_class=config.samples):
        keys.append(sample.key)
        count += 1
        panel = Panel(sample.label, sample.source, fitted.rgb, gallery.views(sample, fitted))
        page.add("views", panel)
        if sample.label not in started and (len(gallery.policies) == 1 or not started):
            strips = list(gallery.strips(sample, fitted))
            page.add("transforms", Panel(sample.label, sample.source, fitted.rgb, strips))
        started.add(sample.label)
        if page.full:
            break
    if not count:
        raise reader.nothing()
    counts = reference.class_counts("train")
    hoped = sum(min(config.samples, counts[label]) for label in gallery.labels)
    left_out = hoped - count if page.full else 0
    return page.html(_facts(gallery, config, count, left_out)), left_out


def _facts(gallery: Gallery, config: PreviewConfig, count: int, left_out: int) -> str:
    facts = [
        f"{count} of {len(gallery.reference.of_split('train'))} training images",
        f"copies 1 to {config.copies}, as an expansion makes them",
        f"{config.size} x {config.size} pixels ({config.fit})",
        f"seed {config.seed}",
    ]
    if left_out:
        facts.append(f"the page is full: {left_out} more images with --only-class")
    return " · ".join(facts)


def _write(option: str, path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content)
    except OSError as error:
        raise AugcliError(f"{option} {path}: can't be written: {error.strerror}") from error
