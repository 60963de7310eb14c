"""The cache: within its bytes, true to its hashes, shared, and deleting only what it wrote."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.hashing import sha256_bytes
from augcli.shards import cache_files, shard_cache
from augcli.shards.cache_index import INDEX_FILE, CacheIndex, Entry
from augcli.shards.cache_lock import try_lock
from augcli.shards.fetching import Sink
from augcli.shards.shard_cache import CachedFile, ShardCache, default_cache_folder
from augcli.shards.stop import Stop, Stopped

pytestmark = pytest.mark.usefixtures("unflushed")
BYTES = 1000
Fill = Callable[[Sink], None]


def data(number: int) -> bytes:
    return bytes([number]) * BYTES


def file(number: int, size: int | None = BYTES) -> CachedFile:
    digest = sha256_bytes(data(number))
    return CachedFile(digest, digest, size, f"file {number}")


class Fills:
    """Fills sinks, and counts how often it did so for each number."""

    def __init__(self) -> None:
        self.made: list[int] = []

    def __call__(self, number: int) -> Fill:
        def fill(sink: Sink) -> None:
            self.made.append(number)
            sink.restart()
            sink.write(data(number))

        return fill


@pytest.fixture
def fills() -> Fills:
    return Fills()


@pytest.fixture
def cache(tmp_path: Path) -> ShardCache:
    """Room for three files."""
    return ShardCache(tmp_path / "cache", 3 * BYTES)


def kept(cache: ShardCache) -> set[int]:
    """The numbers of the files that are there."""
    names = {file(number).name: number for number in range(20)}
    return {names[path.name] for path in cache.folder.iterdir() if path.name in names}


def use(cache: ShardCache, fills: Fills, *numbers: int) -> None:
    """Map files and let them go at once."""
    for number in numbers:
        assert cache.map(file(number), fills(number))[:] == data(number)


def test_by_default_below_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUGCLI_CACHE", str(tmp_path / "mine"))
    cache = ShardCache()
    assert cache.folder == default_cache_folder() == tmp_path / "mine" / "shards"
    assert cache.max_bytes == 20_000_000_000
    assert not cache.folder.exists()


def test_fewer_bytes_than_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--cache-size: -1 bytes"):
        ShardCache(tmp_path, -1)


def test_fetched_once(cache: ShardCache, fills: Fills) -> None:
    use(cache, fills, 1, 2, 1)
    use(ShardCache(cache.folder), fills, 2, 1)
    assert fills.made == [1, 2]


def test_nothing_else_remains(cache: ShardCache, fills: Fills) -> None:
    use(cache, fills, 1)
    found = {str(path.relative_to(cache.folder)) for path in cache.folder.rglob("*")}
    assert found == {file(1).name, INDEX_FILE, f"{INDEX_FILE}.lock", "locks"}


def test_the_least_recently_used_goes_first(cache: ShardCache, fills: Fills) -> None:
    use(cache, fills, 1, 2, 3, 1, 4)
    assert kept(cache) == {1, 3, 4}
    use(cache, fills, 3, 5)
    assert kept(cache) == {3, 4, 5}


def test_uses_are_remembered_by_later_processes(cache: ShardCache, fills: Fills) -> None:
    use(cache, fills, 1, 2, 3, 1)
    cache.flush()
    use(ShardCache(cache.folder, 3 * BYTES), fills, 4)
    assert kept(cache) == {1, 3, 4}


def test_uses_are_told_while_nothing_is_fetched(
    cache: ShardCache, fills: Fills, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(cache, fills, 1, 2, 3)
    monkeypatch.setattr(cache_files, "_NOTE_SECONDS", 0.0)
    use(cache, fills, 1)
    use(ShardCache(cache.folder, 3 * BYTES), fills, 4)
    assert kept(cache) == {1, 3, 4}


def test_never_more_bytes_than_allowed(cache: ShardCache, fills: Fills) -> None:
    """Neither while files are fetched: room is made before."""

    def watched(number: int) -> Fill:
        def fill(sink: Sink) -> None:
            fills(number)(sink)
            sizes = [path.stat().st_size for path in cache.folder.iterdir() if path.is_file()]
            assert sum(size for size in sizes if size == BYTES) <= cache.max_bytes

        return fill

    for number in (1, 2, 3, 4, 5, 6, 1, 2):
        cache.map(file(number), watched(number))


def test_what_is_needed_is_kept(cache: ShardCache, fills: Fills) -> None:
    first = cache.map(file(1), fills(1))
    view = memoryview(cache.map(file(2), fills(2)))[5:9]
    use(cache, fills, 3, 4, 5, 6)
    assert kept(cache) == {1, 2, 6}
    assert first[:] == data(1) and view == data(2)[5:9]
    del first
    view.release()
    use(cache, fills, 7, 8)
    assert kept(cache) == {6, 7, 8}


def test_what_is_needed_exceeds_the_cap(cache: ShardCache, fills: Fills) -> None:
    maps = [cache.map(file(number), fills(number)) for number in range(5)]
    assert kept(cache) == {0, 1, 2, 3, 4}
    maps.clear()
    cache.trim()
    assert kept(cache) == {2, 3, 4}


@pytest.mark.parametrize("cap", [0, BYTES - 1])
def test_a_file_above_the_cap(tmp_path: Path, fills: Fills, cap: int) -> None:
    cache = ShardCache(tmp_path, cap)
    mapped = cache.map(file(1), fills(1))
    assert kept(cache) == {1} and mapped[:] == data(1)
    del mapped
    cache.flush()
    assert kept(cache) == set()


def test_a_smaller_cap_holds_at_once(cache: ShardCache, fills: Fills) -> None:
    use(cache, fills, 1, 2, 3)
    use(ShardCache(cache.folder, BYTES), fills, 2)
    assert kept(cache) == {2}


def test_paths_are_kept_for_good(cache: ShardCache, fills: Fills) -> None:
    path = cache.path(file(1), fills(1))
    use(cache, fills, 2, 3, 4, 5)
    assert path.read_bytes() == data(1)


def test_sizes_that_are_not_known_before(cache: ShardCache, fills: Fills) -> None:
    for number in (1, 2, 3, 4):
        cache.map(file(number, size=None), fills(number))
    assert kept(cache) == {2, 3, 4}


FOREIGN = ("mine.txt", "0" * 64, "5.part", "locks/mine", "datasets/mine/x", f".{INDEX_FILE}.1.tmp")


def test_foreign_files_are_neither_touched_nor_counted(cache: ShardCache, fills: Fills) -> None:
    for name in FOREIGN:
        (cache.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (cache.folder / name).write_bytes(b"x" * 100 * BYTES)
    use(cache, fills, 1, 2, 3, 4, 1)
    assert kept(cache) == {3, 4, 1}
    for name in FOREIGN:
        assert (cache.folder / name).read_bytes() == b"x" * 100 * BYTES


def test_a_foreign_file_that_is_right_is_used(cache: ShardCache, fills: Fills) -> None:
    """As when the index was lost; it is not ours to delete."""
    cache.folder.mkdir()
    (cache.folder / file(1).name).write_bytes(data(1))
    use(cache, fills, 1, 2, 3, 4, 5)
    assert fills.made == [2, 3, 4, 5]
    assert kept(cache) == {1, 3, 4, 5}


def test_a_foreign_file_that_is_wrong_is_told(cache: ShardCache, fills: Fills) -> None:
    cache.folder.mkdir()
    foreign = cache.folder / file(1).name
    foreign.write_bytes(b"mine")
    with pytest.raises(AugcliError, match=f"{foreign.name}: is neither file 1 nor of our making"):
        cache.map(file(1), fills(1))
    assert foreign.read_bytes() == b"mine"
    assert fills.made == []


@pytest.mark.parametrize("change", [b"shorter", b"\xff" * BYTES])
def test_what_was_changed_is_fetched_again(cache: ShardCache, fills: Fills, change: bytes) -> None:
    use(cache, fills, 1)
    (cache.folder / file(1).name).write_bytes(change)
    use(cache, fills, 1)
    (cache.folder / file(1).name).write_bytes(change)
    use(ShardCache(cache.folder), fills, 1)
    assert fills.made == [1, 1, 1]


def test_what_was_only_touched_is_not(cache: ShardCache, fills: Fills) -> None:
    use(cache, fills, 1)
    os.utime(cache.folder / file(1).name, (5, 5))
    use(cache, fills, 1)
    use(ShardCache(cache.folder), fills, 1)
    assert fills.made == [1]


def test_what_was_deleted_is_fetched_again(cache: ShardCache, fills: Fills) -> None:
    use(cache, fills, 1, 2, 3)
    for number in (1, 2, 3):
        (cache.folder / file(number).name).unlink()
    use(cache, fills, 1)
    use(ShardCache(cache.folder, 3 * BYTES), fills, 4, 5)
    assert fills.made == [1, 2, 3, 1, 4, 5]
    assert kept(cache) == {1, 4, 5}, "what is gone is not counted"


def test_the_folder_may_go_at_any_time(cache: ShardCache, fills: Fills) -> None:
    import shutil

    use(cache, fills, 1)
    shutil.rmtree(cache.folder)
    use(cache, fills, 1, 2)
    assert kept(cache) == {1, 2}


@pytest.mark.parametrize("failure", [AugcliError("no"), Stopped(), KeyboardInterrupt()], ids=repr)
def test_a_failing_download_leaves_nothing(
    cache: ShardCache, fills: Fills, failure: BaseException
) -> None:
    def fail(sink: Sink) -> None:
        sink.write(b"something")
        raise failure

    with pytest.raises(type(failure)):
        cache.map(file(1), fail)
    assert {path.name for path in cache.folder.iterdir()} == {
        INDEX_FILE, f"{INDEX_FILE}.lock", "locks",
    }  # fmt: skip
    assert CacheIndex(cache.folder).read() == {}
    use(cache, fills, 1)


def test_a_sink_can_begin_again(cache: ShardCache) -> None:
    def fill(sink: Sink) -> None:
        sink.write(b"something else, and longer" * BYTES)
        sink.restart()
        sink.write(data(1)[:100])
        sink.write(data(1)[100:])

    assert cache.map(file(1), fill)[:] == data(1)


@pytest.mark.parametrize("where", ["write", "fsync", "index"])
@pytest.mark.parametrize("number", [28, 122])
def test_a_full_disk(
    cache: ShardCache, fills: Fills, monkeypatch: pytest.MonkeyPatch, where: str, number: int
) -> None:
    """No space, or no quota."""

    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    use(cache, fills, 1)
    with monkeypatch.context() as patch:
        if where == "write":
            patch.setattr(
                "augcli.shards.shard_cache.open", lambda *_, **__: Full(full), raising=False
            )
        elif where == "fsync":
            patch.setattr(os, "fsync", full)
        else:
            patch.setattr("augcli.shards.cache_index.write_atomic", full)
        with pytest.raises(AugcliError) as error:
            cache.map(file(2), fills(2))
    message = str(error.value)
    assert message.startswith(f"{cache.folder}: no room on the disk for file 2 (1000 bytes): ")
    assert "--cache-size" in message and "--cache," in message
    use(cache, fills, 1, 2)
    assert kept(cache) == {1, 2}
    assert list(cache.folder.glob("*.part")) == []


class Full:
    """A file on a full disk."""

    def __init__(self, full: Callable[..., None]) -> None:
        self.write = self.truncate = full

    def seek(self, _: int) -> None:
        """There is room for that."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def test_a_folder_that_can_not_be_made(tmp_path: Path, fills: Fills) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(AugcliError, match=r"/x.*can't be used as a cache: Not a dir.*--cache"):
        ShardCache(tmp_path / "x" / "cache").map(file(1), fills(1))


OUTSIDE = {"format": "augcli-cache", "format_version": 1}
ENTRY = {"bytes": 5, "used": 1, "mtime_ns": None, "temporary": None}


@pytest.mark.parametrize(
    "index",
    [
        "",
        "[]",
        "{}",
        '{"format": "augcli-cache", "format_version": 2, "files": {}}',
        json.dumps({**OUTSIDE, "files": {"../mine.txt": ENTRY}}),
        json.dumps({**OUTSIDE, "files": {"0" * 64: {**ENTRY, "temporary": "../mine.txt"}}}),
        json.dumps({**OUTSIDE, "files": {"0" * 64: {**ENTRY, "bytes": "5"}}}),
        json.dumps({**OUTSIDE, "files": {"0" * 64: {}}}),
    ],
)
def test_a_damaged_index(cache: ShardCache, fills: Fills, index: str) -> None:
    """What it says is not done: it could name anything."""
    cache.folder.mkdir()
    mine = cache.folder.parent / "mine.txt"
    mine.touch()
    (cache.folder / INDEX_FILE).write_text(index)
    with pytest.raises(AugcliError, match=r"index\.json: is damaged .*--cache"):
        cache.map(file(1), fills(1))
    assert mine.exists()


@pytest.mark.parametrize("name", ["../x", "", "0" * 63, "datasets/../../x.json", "A" * 64])
def test_names_that_are_none(cache: ShardCache, fills: Fills, name: str) -> None:
    with pytest.raises(AugcliError, match="is no SHA-256"):
        cache.map(CachedFile(name, name, 5, "it"), fills(1))
    assert not cache.folder.exists()


def test_pickled(cache: ShardCache, fills: Fills) -> None:
    use(cache, fills, 1)
    copy = pickle.loads(pickle.dumps(cache))
    use(copy, fills, 1)
    assert (copy.folder, copy.max_bytes) == (cache.folder, cache.max_bytes)
    assert fills.made == [1]


@pytest.mark.parametrize("caches", [1, 4])
def test_threads_fetch_once(cache: ShardCache, fills: Fills, caches: int) -> None:
    """Also those that have a cache of their own in the same folder."""
    mine = [ShardCache(cache.folder) for _ in range(caches)]
    seen: list[bytes] = []

    def slowly(number: int) -> Fill:
        def fill(sink: Sink) -> None:
            time.sleep(0.02)
            fills(number)(sink)

        return fill

    def work(number: int) -> None:
        for wanted in (1, 2, 3):
            seen.append(bytes(mine[number % caches].map(file(wanted), slowly(wanted))))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(fills.made) == [1, 2, 3]
    assert sorted(seen) == [data(number) for number in (1, 2, 3) for _ in range(8)]


def take_turns(folder: Path, out: Path, seed: int, start: Any) -> None:
    """Use twelve files of a cache with room for three, in an order of one's own."""
    import random

    fills = Fills()
    cache = ShardCache(folder, 3 * BYTES)
    start.wait()
    for number in random.Random(seed).choices(range(12), k=25):
        use(cache, fills, number)
    out.write_text("done")


def test_processes_that_make_room_for_each_other(tmp_path: Path) -> None:
    """Each deletes what the others fetched; all see whole files only, and the cap holds."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(3)
    outs = [tmp_path / f"{number}.txt" for number in range(3)]
    cache = ShardCache(tmp_path / "cache", 3 * BYTES)
    processes = [
        context.Process(target=take_turns, args=(cache.folder, out, seed, start))
        for seed, out in enumerate(outs)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [out.exists() for out in outs] == [True] * 3
    assert len(kept(cache)) == 3
    assert list(cache.folder.glob("*.part")) == []
    assert set(CacheIndex(cache.folder).read()) == {file(number).name for number in kept(cache)}


def test_a_file_that_others_delete_at_once(
    cache: ShardCache, fills: Fills, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shard_cache.map_needed
    left = [3]

    def too_late(path: Path) -> Any:
        if left[0]:
            left[0] -= 1
            path.unlink()
        return real(path)

    monkeypatch.setattr(shard_cache, "map_needed", too_late)
    use(cache, fills, 1)
    left[0] = 1000
    with pytest.raises(AugcliError, match="more room with --cache-size"):
        cache.map(file(1), fills(1))


def die(folder: Path, moment: str) -> None:
    """Be killed in the middle of a download."""
    publish = os.replace

    def fill(sink: Sink) -> None:
        sink.write(data(1)[:500])
        if moment == "writes":
            os.kill(os.getpid(), 9)
        sink.write(data(1)[500:])

    def replace(source: Path, target: Path) -> None:
        if moment == "records" or target.name != file(1).name:
            publish(source, target)
        if target.name == file(1).name:
            os.kill(os.getpid(), 9)

    cache = ShardCache(folder, 3 * BYTES)
    use(cache, Fills(), 2)
    os.replace = replace  # type: ignore[assignment]
    cache.map(file(1, size=None), fill)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no locks")
@pytest.mark.parametrize("moment", ["writes", "publishes", "records"])
def test_a_killed_download(cache: ShardCache, fills: Fills, moment: str) -> None:
    """The next run removes its temporary, even if it wants something else; nothing is torn."""
    process = multiprocessing.get_context("spawn").Process(target=die, args=(cache.folder, moment))
    process.start()
    process.join()
    assert process.exitcode == -9
    foreign = cache.folder / "7-07.part"
    foreign.touch()
    assert len(list(cache.folder.glob("*.part"))) == (1 if moment == "records" else 2)
    use(cache, fills, 3)
    assert list(cache.folder.glob("*.part")) == [foreign]
    assert kept(cache) == ({1, 2, 3} if moment == "records" else {2, 3})
    entries = CacheIndex(cache.folder).read()
    assert {entry.bytes for entry in entries.values()} == {BYTES}
    assert len(entries) == len(kept(cache)), "what the killed run published counts"
    use(cache, fills, 1, 2)
    assert fills.made == ([3] if moment == "records" else [3, 1])
    use(cache, fills, 4)
    assert len(kept(cache)) == 3


def test_the_temporary_of_a_living_download_stays(cache: ShardCache, fills: Fills) -> None:
    def fill(sink: Sink) -> None:
        use(ShardCache(cache.folder), fills, 2)
        assert len(list(cache.folder.glob("*.part"))) == 1
        fills(1)(sink)

    assert cache.map(file(1), fill)[:] == data(1)


def test_what_others_are_fetching_counts(cache: ShardCache, fills: Fills) -> None:
    """It is the oldest, but no file yet that could make room."""
    use(cache, fills, 1)
    lock = try_lock(cache.folder / "locks" / f"{file(9).name}.lock")
    assert lock is not None
    with CacheIndex(cache.folder).change() as entries:
        entries[file(9).name] = Entry(BYTES, 0, temporary="9-09.part")
    use(cache, fills, 2, 3, 4)
    assert kept(cache) == {3, 4}
    assert file(9).name in CacheIndex(cache.folder).read()
    lock.release(remove=True)


def test_where_files_have_no_locks(
    cache: ShardCache, fills: Fills, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Temporaries are then left alone for a day; two may fetch the same, and nothing is torn."""

    def none(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", none)

    def fill(sink: Sink) -> None:
        sink.write(data(1)[:500])
        use(ShardCache(cache.folder), fills, 2, 1)
        sink.write(data(1)[500:])

    assert cache.map(file(1), fill)[:] == data(1)
    assert kept(cache) == {1, 2}
    assert fills.made == [2, 1]
    old = cache.folder / "1-01.part"
    old.touch()
    with CacheIndex(cache.folder).change() as entries:
        entries[file(2).name].temporary = old.name
    use(ShardCache(cache.folder), fills, 1)
    assert old.exists()
    os.utime(old, (5, 5))
    use(ShardCache(cache.folder), fills, 1)
    assert not old.exists()
    assert kept(cache) == {1, 2}


def test_waiting_for_another_download_can_be_stopped(cache: ShardCache, fills: Fills) -> None:
    stop = Stop()

    def fill(sink: Sink) -> None:
        stop.set()
        with pytest.raises(Stopped):
            ShardCache(cache.folder).map(file(1), fills(1), stop)
        fills(1)(sink)

    assert cache.map(file(1), fill)[:] == data(1)
    assert fills.made == [1]
