"""All files under a folder: each is yielded once, with the reason if its folder rules it out.

Links to folders are followed, but not in circles, and after all real folders: a folder of the
dataset that is also linked to counts where it really is.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from augcli.manifests.errors import AugcliError
from augcli.manifests.inputs import is_utf8
from augcli.manifests.manifest import (
    FORMAT,
    IDENTITY_FILE,
    MANIFEST_FILE,
    SHARDS_FOLDER,
    WORK_FOLDER,
)

HIDDEN_FOLDER = "in a hidden folder"
BAD_NAME = "in a folder whose name is not UTF-8: rename it"
OWN_DATASET = "in an expanded dataset of augcli"
OWN_RUN = "in a training run of augcli"
OWN_BENCHMARK = "in a benchmark of augcli"

_RUN_RECORDS, _RUN_STATE = {"args.yaml", "run.json"}, "last.pt"
_BENCHMARK_REPORT = {"benchmark.json", "benchmark.md"}
_FORMAT_WITHIN_BYTES = 200

Entry = os.DirEntry[str]


@dataclass(frozen=True, slots=True)
class Walked:
    """A file, relative to the root with '/'; `reason` is '' where files can be inputs."""

    source: str
    reason: str


@dataclass
class _Walk:
    root: Path
    pending: list[Walked] = field(default_factory=lambda: [Walked("", "")])
    links: deque[Walked] = field(default_factory=deque)
    visited: set[tuple[int, int]] = field(default_factory=set)


def walk(root: Path) -> Iterator[Walked]:
    """Every file under `root`, and every link to a folder that was walked already.

    Raises:
        AugcliError: a folder that may hold inputs can't be read.
    """
    state = _Walk(root)
    while state.pending or state.links:
        folder = state.pending.pop() if state.pending else state.links.popleft()
        found = (root / folder.source).stat()
        if (found.st_dev, found.st_ino) in state.visited:
            yield Walked(folder.source, "a link to a folder that was already scanned")
            continue
        state.visited.add((found.st_dev, found.st_ino))
        try:
            entries = list_folder(root / folder.source)
        except AugcliError:
            if not folder.reason:
                raise
            yield Walked(folder.source, f"{folder.reason}, and it can't be read")
            continue
        yield from _walk_entries(state, folder, entries)


def list_folder(folder: Path) -> list[Entry]:
    """The entries of a folder, sorted by name.

    Raises:
        AugcliError: it can't be read.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise AugcliError(f"{folder}: can't be read: {error.strerror}") from error


def _walk_entries(state: _Walk, folder: Walked, entries: Sequence[Entry]) -> Iterator[Walked]:
    """The files among the entries; the folders are put down for later."""
    reason = folder.reason or own_output(state.root / folder.source, entries)
    inside: list[Walked] = []
    for entry in entries:
        source = f"{folder.source}/{entry.name}" if folder.source else entry.name
        if not _is_folder(entry):
            yield Walked(source, reason)
            continue
        below = Walked(source, reason or _why_no_folder(entry.name))
        if not entry.is_symlink():
            inside.append(below)
        elif below.reason:  # not followed: what it leads to may be an input elsewhere
            yield below
        else:
            state.links.append(below)
    state.pending.extend(reversed(inside))


def own_output(folder: Path, entries: Sequence[Entry]) -> str:
    """Whether augcli itself wrote this folder: OWN_DATASET, OWN_RUN, OWN_BENCHMARK or ''.

    Its previews and pictures are no inputs of the next expansion.
    """
    names = {entry.name for entry in entries}
    if WORK_FOLDER in names and (SHARDS_FOLDER in names or _is_begun(folder)):
        return OWN_DATASET
    if MANIFEST_FILE in names and _is_manifest(folder / MANIFEST_FILE):
        return OWN_DATASET
    if names >= _BENCHMARK_REPORT:
        return OWN_BENCHMARK
    return OWN_RUN if _RUN_STATE in names and names & _RUN_RECORDS else ""


def _is_begun(folder: Path) -> bool:
    """Whether an expansion is not finished here: in the folder format there are no shards."""
    return os.path.isfile(folder / WORK_FOLDER / IDENTITY_FILE)  # noqa: PTH113, is_file raises


def _is_manifest(path: Path) -> bool:
    if not os.path.isfile(path):  # noqa: PTH113, is_file raises
        return False
    try:
        with open(path, "rb") as file:
            return f'"{FORMAT}"'.encode() in file.read(_FORMAT_WITHIN_BYTES)
    except OSError:
        return False


def _is_folder(entry: Entry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: no folder, and no readable file either
        return False


def _why_no_folder(name: str) -> str:
    if not is_utf8(name):
        return BAD_NAME
    return HIDDEN_FOLDER if name.startswith(".") else ""
