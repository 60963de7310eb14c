"""Images that are in two splits under two names: what is trained with can't be tested with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from augcli.manifests.samples_file import SamplesFile
from augcli.shards.name_set import NameSet
from augcli.shards.table_pieces import pieces, values


def find_leaks(table: Path) -> tuple[str, ...]:
    """Sources of validation and test images whose bytes are those of a training image, sorted.

    Raises:
        AugcliError: as `SamplesFile.parts`.
    """
    with closing(SamplesFile(table, round=0)) as file:
        images = _rows(file, "split", "source_sha256")
        trained = NameSet(digest for split, digest in images if split == "train")
        others = _rows(file, "split", "source_sha256", "source")
        return tuple(
            sorted(name for split, digest, name in others if split != "train" and digest in trained)
        )


def _rows(file: SamplesFile, *names: str) -> Iterator[tuple[str, ...]]:
    for piece in pieces(file, names):
        yield from zip(*(values(piece, name) for name in names), strict=True)
