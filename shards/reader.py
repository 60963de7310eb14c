"""Reading stored views by address: shards mapped from disk, any view in any order."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from augcli.manifests.errors import AugcliError
from augcli.manifests.manifest import SHARDS_FOLDER, Manifest
from augcli.shards.tar import BLOCK, END, Member, parse_member


class ShardMap:
    """The shards of one expanded dataset, each mapped when first read.

    Safe to pickle (maps are opened anew) and to read from several threads.
    """

    def __init__(self, dataset: Path) -> None:
        self.folder = dataset / SHARDS_FOLDER
        self._maps: dict[str, mmap.mmap] = {}

    def read(self, shard: str, offset: int, length: int) -> memoryview:
        """The bytes [offset, offset + length) of a shard, not copied; valid until `close`.

        Raises:
            AugcliError: the shard is missing or shorter than that.
        """
        mapped = self.mapped(shard)
        if offset < 0 or length < 0 or offset + length > len(mapped):
            raise AugcliError(
                f"{self.folder / shard}: {length} bytes at {offset} lie outside its "
                f"{len(mapped)} bytes: it was changed; run augcli verify, then expand again"
            )
        return memoryview(mapped)[offset : offset + length]

    def mapped(self, shard: str) -> mmap.mmap:
        """A whole shard, valid until `close`.

        Raises:
            AugcliError: it is missing.
        """
        return self._maps.get(shard) or self._open(shard)

    def close(self) -> None:
        """Forget all maps. Views handed out keep theirs alive until they go."""
        self._maps.clear()

    def _open(self, shard: str) -> mmap.mmap:
        mapped = map_file(self.folder / shard)
        self._maps[shard] = mapped
        return mapped

    def __getstate__(self) -> dict[str, object]:
        return {"folder": self.folder}

    def __setstate__(self, state: dict[str, Path]) -> None:
        self.folder = state["folder"]
        self._maps = {}


class ViewFiles:
    """The views of a dataset in the folder format: each is a file."""

    def __init__(self, dataset: Path) -> None:
        self.folder = dataset

    def read(self, shard: str, offset: int, length: int) -> memoryview:
        """The `length` bytes of the file `shard`.

        Raises:
            AugcliError: it is missing or of another size.
        """
        try:
            data = (self.folder / shard).read_bytes()
        except OSError as error:
            raise AugcliError(
                f"{self.folder / shard}: can't be read: {error.strerror}; expand again"
            ) from error
        if offset != 0 or len(data) != length:
            raise AugcliError(
                f"{self.folder / shard}: has {len(data)} bytes, expected {length}: it was changed; "
                "run augcli verify, then expand again"
            )
        return memoryview(data)

    def close(self) -> None:
        """Nothing is held open."""


def stored_bytes(dataset: Path, manifest: Manifest) -> ShardMap | ViewFiles:
    """Where the stored views of a dataset on this machine are read."""
    return ShardMap(dataset) if manifest.options["format"] == "tar" else ViewFiles(dataset)


def map_file(path: Path) -> mmap.mmap:
    """A shard, mapped for reading.

    Raises:
        AugcliError: missing, empty or unreadable.
    """
    try:
        with open(path, "rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AugcliError(f"{path}: can't be read: {reason}; expand again") from error


def members(mapped: mmap.mmap) -> Iterator[Member]:
    """The members of a mapped shard, in order, down to its end marker.

    Raises:
        AugcliError: a damaged header, a member past the end, or no proper end.
    """
    position = 0
    while position < len(mapped):
        member = parse_member(mapped[position : position + BLOCK], position)
        if member is None:
            if mapped[position:] != END:
                raise AugcliError(f"the end marker at byte {position} is not two blocks of zeros")
            return
        position = member.offset + member.size + (-member.size % BLOCK)
        if position > len(mapped):
            raise AugcliError(f"{member.name} reaches past the end of the file")
        yield member
    raise AugcliError("the end marker is missing")
