"""Reading stored views by address from shards at a URL, through a cache on this machine."""

from __future__ import annotations

import mmap
import re
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.manifest import SHARDS_FOLDER, ShardRecord
from augcli.shards.ahead import OpenShards
from augcli.shards.fetching import RemoteFile, RemoteFolder
from augcli.shards.patience import Patience
from augcli.shards.shard_cache import CachedFile, ShardCache
from augcli.shards.stop import Stop
from augcli.shards.urls import Place

DEFAULT_AHEAD = 4
_SHA256 = re.compile(r"[0-9a-f]{64}")


class _Opener:
    """Maps shards from the cache, fetched if need be. Apart, so that threads don't hold readers."""

    def __init__(
        self, remote: RemoteFolder, records: Mapping[str, ShardRecord], cache: ShardCache
    ) -> None:
        self._remote = remote
        self._records = records
        self._cache = cache

    def __call__(self, shard: str, stop: Stop) -> mmap.mmap:
        record = self._records[shard]
        title = f"{SHARDS_FOLDER}/{shard}"
        remote = RemoteFile(title, record.sha256, record.bytes, record.bytes)
        cached = CachedFile(record.sha256, record.sha256, record.bytes, title)
        return self._cache.map(cached, lambda sink: self._remote.fetch(remote, sink, stop), stop)


class RemoteShards:
    """The shards of the expanded dataset at a URL: `ShardMap` for what isn't on this machine.

    Each is fetched whole when it is first read, or before that if it was expected, and held
    against its record before any of it is read. Safe to pickle and to fork (copies open anew and
    expect nothing) and to read from several threads.
    """

    def __init__(
        self,
        url: str,
        records: Sequence[ShardRecord],
        cache: ShardCache,
        *,
        ahead: int = DEFAULT_AHEAD,
        patience: Patience | None = None,
    ) -> None:
        """Nothing is fetched yet; `ahead` shards at most are fetched before they are read.

        Raises:
            UsageError: a URL that isn't read, or `ahead` is negative.
            AugcliError: a record's hash is none.
        """
        if ahead < 0:
            raise UsageError(f"ahead: {ahead} shards are fewer than none")
        self._arguments = (url, tuple(records), cache, ahead, patience)
        self._remote = RemoteFolder(url, patience)
        self._cache = cache
        self._records = {record.name: record for record in records}
        for record in records:
            if not _SHA256.fullmatch(record.sha256):
                raise AugcliError(f"{self.folder / record.name}: its record has no SHA-256")
        sizes = {record.name: record.bytes for record in records}
        opener = _Opener(self._remote, self._records, cache)
        self._open = OpenShards(opener, sizes, cache.max_bytes, ahead)
        weakref.finalize(self, self._open.halt)

    @property
    def folder(self) -> Place:
        """The URL of the shards' folder, for messages: without credentials."""
        return self._remote.place / SHARDS_FOLDER

    def read(self, shard: str, offset: int, length: int) -> memoryview:
        """The bytes [offset, offset + length) of a shard, not copied; valid until they are let go.

        Blocks until the shard is there.

        Raises:
            AugcliError: it can't be fetched or kept, isn't what its record says, or is shorter.
            UsageError: the protocol's driver isn't installed.
        """
        self._check_name(shard)
        mapped = self._open.get(shard)
        if offset < 0 or length < 0 or offset + length > len(mapped):
            raise AugcliError(
                f"{self.folder / shard}: {length} bytes at {offset} lie outside its "
                f"{len(mapped)} bytes: it was changed; run augcli verify, then expand again"
            )
        return memoryview(mapped)[offset : offset + length]

    def expect(self, names: Sequence[str]) -> None:
        """Shards in the order in which they will be read from now on, in place of any before.

        While one is read, background threads fetch those after it, as far as they fit into the
        cache. A name may come again; one after the other of the same name count as one.

        Raises:
            AugcliError: an unknown name.
        """
        for name in names:
            self._check_name(name)
        self._open.expect(names)

    def close(self) -> None:
        """Stop the threads and forget all maps. Idempotent; views handed out stay valid."""
        self._open.close()
        self._cache.flush()

    def _check_name(self, shard: str) -> None:
        if shard not in self._records:
            raise AugcliError(
                f"{self.folder / shard}: is none of the {len(self._records)} shards that the "
                "manifest records"
            )

    def __getstate__(self) -> dict[str, Any]:
        return {"arguments": self._arguments}

    def __setstate__(self, state: dict[str, Any]) -> None:
        url, records, cache, ahead, patience = state["arguments"]
        self.__init__(url, records, cache, ahead=ahead, patience=patience)  # type: ignore[misc]
