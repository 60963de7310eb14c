"""Shards at a URL read like shards at hand, whatever the network and other processes do."""

from __future__ import annotations

import gc
import io
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import pytest

from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.manifest import ShardRecord
from augcli.shards.patience import Patience
from augcli.shards.reader import ShardMap
from augcli.shards.remote import RemoteShards
from augcli.shards.shard_cache import ShardCache

pytestmark = pytest.mark.usefixtures("unflushed")
Records = list[ShardRecord]
Eventually = Callable[[Callable[[], object]], None]


@pytest.fixture
def cache(tmp_path: Path) -> ShardCache:
    return ShardCache(tmp_path / "cache")


@pytest.fixture(params=["http", "file", "memory"])
def url(request: pytest.FixtureRequest, dataset: Path, contents: dict[str, bytes]) -> Iterator[str]:
    """The same dataset, three times."""
    if request.param == "http":
        yield request.getfixturevalue("server").url
    elif request.param == "file":
        yield f"file://{dataset}"
    else:
        memory = fsspec.filesystem("memory")
        for name, data in contents.items():
            memory.pipe_file(f"/remote/shards/{name}", data)
        yield "memory://remote"
        memory.rm("/remote", recursive=True)


@pytest.fixture
def opened(
    server: Any, records: Records, cache: ShardCache, hasty: Patience
) -> Iterator[RemoteShards]:
    """The server's shards."""
    shards = RemoteShards(server.url, records, cache, patience=hasty)
    yield shards
    shards.close()


def read_all(shards: RemoteShards | ShardMap, contents: dict[str, bytes]) -> None:
    for name, data in contents.items():
        assert shards.read(name, 0, len(data)) == data
        assert shards.read(name, 100, 50) == data[100:150]


def test_the_same_bytes(
    url: str, dataset: Path, records: Records, cache: ShardCache, contents: dict[str, bytes]
) -> None:
    read_all(ShardMap(dataset), contents)
    shards = RemoteShards(url, records, cache)
    shards.expect(list(contents))
    read_all(shards, contents)
    shards.close()
    shards.close()
    read_all(shards, contents)
    shards.close()


def test_from_any_thread(
    url: str, records: Records, cache: ShardCache, contents: dict[str, bytes]
) -> None:
    shards = RemoteShards(url, records, cache)
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda _: read_all(shards, contents), range(8)):
            pass
    shards.close()


def test_each_is_fetched_once(
    server: Any, opened: RemoteShards, cache: ShardCache, contents: dict[str, bytes]
) -> None:
    read_all(opened, contents)
    read_all(pickle.loads(pickle.dumps(opened)), contents)
    assert set(server.requests.values()) == {1}
    assert len(server.requests) == len(contents)


def test_only_what_is_read_is_fetched(server: Any, opened: RemoteShards, records: Records) -> None:
    opened.read(records[3].name, 5, 5)
    assert list(server.requests) == [f"/dataset/shards/{records[3].name}"]


def test_expected_ones_come_at_the_same_time(
    server: Any, opened: RemoteShards, contents: dict[str, bytes]
) -> None:
    server.seconds = 0.02
    opened.expect(list(contents))
    read_all(opened, contents)
    assert 2 <= server.most_at_once <= 5
    assert set(server.requests.values()) == {1}


def test_memory_is_not_the_caches(
    opened: RemoteShards, cache: ShardCache, records: Records, contents: dict[str, bytes]
) -> None:
    """Views are of the map, can't be written, and stay valid whatever is closed or deleted."""
    name = records[0].name
    view = opened.read(name, 7, 9)
    with pytest.raises(TypeError):
        view[0] = 1
    opened.close()
    (cache.folder / records[0].sha256).unlink()
    assert view == contents[name][7:16]


@pytest.mark.parametrize(("offset", "length"), [(-1, 5), (0, -5), (0, 1 << 40), (1 << 40, 1)])
def test_outside_the_shard(
    opened: RemoteShards, server: Any, records: Records, offset: int, length: int
) -> None:
    where = f"{server.url}/shards/{records[0].name}"
    with pytest.raises(AugcliError, match=rf"^{where}: .*outside its 5000 bytes"):
        opened.read(records[0].name, offset, length)


def test_names_that_are_not_recorded(opened: RemoteShards) -> None:
    for name in ("no.tar", "../manifest.json"):
        with pytest.raises(AugcliError, match="is none of the 8 shards"):
            opened.read(name, 0, 1)
        with pytest.raises(AugcliError, match="is none of the 8 shards"):
            opened.expect([name])


def test_records_whose_hash_is_none(cache: ShardCache, records: Records) -> None:
    """It names a file in the cache."""
    with pytest.raises(AugcliError, match="no SHA-256"):
        RemoteShards("memory://x", [replace(records[0], sha256="../../x")], cache)


def test_fewer_ahead_than_none(cache: ShardCache, records: Records) -> None:
    with pytest.raises(UsageError, match="-1"):
        RemoteShards("memory://x", records, cache, ahead=-1)


def test_the_folder_tells_no_secrets(cache: ShardCache, records: Records) -> None:
    shards = RemoteShards("https://me:secret@h/d?sig=secret", records, cache)
    assert f"{shards.folder / 'x.tar'}" == "https://***@h/d/shards/x.tar"
    assert "secret" not in repr(shards)


@pytest.mark.parametrize("expected", [True, False])
@pytest.mark.parametrize("fault", ["wrong", "cut", 404, 500])
def test_a_shard_that_can_not_be_had(
    server: Any,
    opened: RemoteShards,
    cache: ShardCache,
    contents: dict[str, bytes],
    records: Records,
    fault: int | str,
    expected: bool,
) -> None:
    """The reader is told, whoever fetched it; nothing of it is kept, and others can be read."""
    bad = records[2].name
    server.faults[f"/dataset/shards/{bad}"] = [fault] * 5
    if expected:
        opened.expect(list(contents))
    with pytest.raises(AugcliError, match=f"^{server.url}/shards/{bad}: "):
        read_all(opened, contents)
    assert not (cache.folder / records[2].sha256).exists()
    server.faults.clear()
    read_all(opened, contents)


def test_faults_that_pass_are_not_seen(
    server: Any, opened: RemoteShards, contents: dict[str, bytes]
) -> None:
    faults: list[int | str] = [500, "cut", "wrong", "short", "long", 503, 429]
    for name, fault in zip(contents, faults, strict=False):
        server.faults[f"/dataset/shards/{name}"] = [fault]
    opened.expect(list(contents))
    read_all(opened, contents)
    assert sum(server.requests.values()) == len(contents) + len(faults)


def test_a_full_disk_is_not_the_networks_fault(
    server: Any,
    opened: RemoteShards,
    cache: ShardCache,
    records: Records,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Full(io.FileIO):
        def write(self, _: Any) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        "augcli.shards.shard_cache.open", lambda path, *_, **__: Full(path, "xb"), raising=False
    )
    with pytest.raises(AugcliError, match=rf"^{cache.folder}: no room .*No space.*--cache-size"):
        opened.read(records[0].name, 0, 1)
    assert sum(server.requests.values()) == 1
    assert list(cache.folder.glob("*.part")) == []


@pytest.mark.parametrize("ahead", [0, 1, 4, 20])
@pytest.mark.parametrize("shards_kept", [0, 1, 3, 5])
def test_in_order_with_little_room(
    server: Any,
    cache: ShardCache,
    records: Records,
    contents: dict[str, bytes],
    shards_kept: int,
    ahead: int,
) -> None:
    """Each is fetched once, and there are never more than fit, or one where none does."""
    small = ShardCache(cache.folder, shards_kept * 5000 + 10)
    most = max(shards_kept, 1)
    found = []

    def watch(request: Any) -> None:
        names = {path.name for path in small.folder.iterdir()}
        parts = [name for name in names if name.endswith(".part")]
        found.append(len(parts) + len(names & {record.sha256 for record in records}))
        answer(request)

    answer, server.answer = server.answer, watch
    shards = RemoteShards(server.url, records, small, ahead=ahead)
    shards.expect(list(contents))
    read_all(shards, contents)
    shards.close()
    assert set(server.requests.values()) == {1}
    assert max(found) <= most
    assert sum((small.folder / r.sha256).exists() for r in records) == shards_kept


def test_pickled(opened: RemoteShards, contents: dict[str, bytes]) -> None:
    opened.expect(list(contents))
    copy = pickle.loads(pickle.dumps(opened))
    read_all(copy, contents)
    copy.close()


def in_process(shards: RemoteShards, contents: dict[str, bytes], out: Path) -> None:
    shards.expect(list(contents))
    read_all(shards, contents)
    shards.close()
    out.write_text("right")


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_two_processes_fetch_once(
    server: Any,
    opened: RemoteShards,
    contents: dict[str, bytes],
    tmp_path: Path,
    method: str,
) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("there are no forks")
    server.seconds = 0.02
    read_all(opened, dict(list(contents.items())[:1]))
    outs = [tmp_path / name for name in ("one", "two")]
    context = multiprocessing.get_context(method)
    processes = [context.Process(target=in_process, args=(opened, contents, out)) for out in outs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some Pythons warn of forks beside threads
        for process in processes:
            process.start()
    for process in processes:
        process.join(30)
    assert [out.read_text() for out in outs] == ["right", "right"]
    assert set(server.requests.values()) == {1}
    assert len(server.requests) == len(contents)


def read_until_killed(url: str, records: Records, folder: Path, patience: Patience) -> None:
    shards = RemoteShards(url, records, ShardCache(folder), patience=patience)
    shards.expect([record.name for record in records])
    for record in records:
        shards.read(record.name, 0, 1)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no locks")
def test_killed_midway(
    server: Any,
    cache: ShardCache,
    records: Records,
    contents: dict[str, bytes],
    hasty: Patience,
    eventually: Eventually,
) -> None:
    """Three shards are half there; the next run needs them, removes the halves, fetches anew."""
    for record in records[1:4]:
        server.faults[f"/dataset/shards/{record.name}"] = ["silent"]
    process = multiprocessing.get_context("spawn").Process(
        target=read_until_killed, args=(server.url, records, cache.folder, hasty)
    )
    process.start()
    half = lambda: [p for p in cache.folder.glob("*.part") if p.stat().st_size]  # noqa: E731
    eventually(lambda: len(half()) == 3 and (cache.folder / records[0].sha256).exists())
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert len(half()) == 3
    shards = RemoteShards(server.url, records, cache)
    read_all(shards, contents)
    shards.close()
    assert list(cache.folder.glob("*.part")) == []
    asked = [server.requests[f"/dataset/shards/{record.name}"] for record in records]
    assert asked[:4] == [1, 2, 2, 2]


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="can't be counted here")
@pytest.mark.parametrize("closed", [True, False])
def test_nothing_leaks(
    url: str,
    records: Records,
    cache: ShardCache,
    contents: dict[str, bytes],
    closed: bool,
    eventually: Eventually,
) -> None:
    """Neither by those that were closed, nor by those that were let go."""

    def cycle() -> None:
        shards = RemoteShards(url, records, cache)
        shards.expect(list(contents))
        read_all(shards, contents)
        if closed:
            shards.close()

    cycle()
    cycle()
    gc.collect()
    eventually(lambda: not ahead())
    before = descriptors(), threading.active_count()
    for _ in range(50):
        cycle()
    eventually(lambda: (descriptors(), threading.active_count()) <= before)


def ahead() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "augcli-ahead"]


def test_a_process_that_closes_nothing_ends(
    server: Any, cache: ShardCache, records: Records, hasty: Patience
) -> None:
    """Also while a server is silent in the background."""
    server.faults[f"/dataset/shards/{records[1].name}"] = ["silent"] * 9
    process = multiprocessing.get_context("spawn").Process(
        target=read_first, args=(server.url, records, cache.folder, hasty)
    )
    process.start()
    process.join(20)
    assert process.exitcode == 0


def read_first(url: str, records: Records, folder: Path, patience: Patience) -> None:
    global _kept
    _kept = RemoteShards(url, records, ShardCache(folder), patience=patience)
    _kept.expect([record.name for record in records])
    _kept.read(records[0].name, 0, 1)


_kept: RemoteShards
