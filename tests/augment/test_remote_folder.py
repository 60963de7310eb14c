"""Expanding to a URL: the files of a local expansion, whatever happens on the way.

The URLs are of fsspec's memory and of a folder; against a real server see `test_s3.py`.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from augcli.augment import ExpandConfig, ExpandResult, expand
from augcli.augment.remote_folder import FOLDERS, RemoteDatasetFolder
from augcli.augment.verifying import verify
from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.files import exclusive_lock
from augcli.manifests.manifest import MANIFEST_FILE, SAMPLES_FILE, WORK_FOLDER
from augcli.shards.patience import Patience

URL = "memory://bucket/d"
ROOT = "/bucket/d/"

Files = dict[str, bytes]


def config(data: Path, out: str | Path = URL, **changes: object) -> ExpandConfig:
    base = ExpandConfig(
        data=str(data), out=out, copies=1, size=16, policy="basic", shard_size=12, workers=1,
        val_fraction=0.2, test_fraction=0.1,
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]


def files(folder: Path) -> Files:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


class Remote:
    """What is in fsspec's memory, and what was done to it since `changes` was cleared.

    The power goes `left` half changes from now: before one is made, or just after it.
    """

    def __init__(self, cut: type[BaseException]) -> None:
        self.changes: list[tuple[str, str]] = []
        self.left: int | None = None
        self._cut = cut

    def files(self) -> Files:
        store = MemoryFileSystem.store
        return {path.removeprefix(ROOT): bytes(file.getvalue()) for path, file in store.items()}

    def write(self, name: str, content: bytes) -> None:
        MemoryFileSystem().pipe_file(ROOT + name, content)

    def remove(self, name: str) -> None:
        MemoryFileSystem.store.pop(ROOT + name)

    def of(self, what: str) -> list[str]:
        return [name for kind, name in self.changes if kind == what]

    def change(self, what: str, path: str, original: Callable[[], Any]) -> Any:
        self._step()
        result = original()
        self.changes.append((what, path.removeprefix(ROOT)))
        self._step()
        return result

    def _step(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise self._cut


@pytest.fixture
def remote(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, power: SimpleNamespace
) -> Iterator[Remote]:
    """An empty memory, and a machine with an empty cache whose disk needs no flushing."""
    monkeypatch.setenv("AUGCLI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    remote = Remote(power.Cut)
    put_file, rm_file = MemoryFileSystem.put_file, MemoryFileSystem.rm_file

    def putting(self: Any, lpath: str, rpath: str) -> None:
        remote.change("put", rpath, lambda: put_file(self, lpath, rpath))

    def removing(self: Any, path: str) -> None:
        remote.change("remove", path, lambda: rm_file(self, path))

    monkeypatch.setattr(MemoryFileSystem, "put_file", putting)
    monkeypatch.setattr(MemoryFileSystem, "rm_file", removing)
    yield remote
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


@pytest.fixture(scope="module")
def expanded(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The files of a local expansion."""
    out = tmp_path_factory.mktemp("expanded") / "d"
    expand(config(photos, out))
    return files(out)


@pytest.fixture
def data(photos: Path, tmp_path: Path) -> Path:
    """A copy of the photos that a test may change."""
    return Path(shutil.copytree(photos, tmp_path / "data"))


@pytest.fixture
def another_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], None]:
    """From now on the cache is another one, and empty."""
    numbers = itertools.count()
    return lambda: monkeypatch.setenv("AUGCLI_CACHE", str(tmp_path / f"cache-{next(numbers)}"))


def made(result: ExpandResult) -> int:
    return result.views_made


def test_the_files_of_a_local_expansion(remote: Remote, data: Path, tmp_path: Path) -> None:
    result = expand(config(data))
    expand(config(data, tmp_path / "local"))
    assert remote.files() == files(tmp_path / "local")
    assert str(result.dataset) == result.to_json()["dataset"] == URL
    assert remote.of("put")[-1] == MANIFEST_FILE
    assert len(remote.of("put")) == len(remote.files())
    assert verify(URL).faults == ()


def test_what_stays_on_this_machine(remote: Remote, data: Path, tmp_path: Path) -> None:
    """Tables and pages, so that it can grow; no shard, and nothing of the URL in a name."""
    expand(config(data))
    (folder,) = (tmp_path / "cache" / FOLDERS).iterdir()
    assert {path.name for path in folder.rglob("*.tar*")} == set()
    assert not (folder / WORK_FOLDER).exists()
    assert files(folder) == {n: c for n, c in remote.files().items() if not n.endswith(".tar")}
    assert "bucket" not in folder.name


def test_nothing_to_do(remote: Remote, data: Path) -> None:
    expand(config(data))
    remote.changes.clear()
    assert made(expand(config(data))) == 0
    assert remote.changes == []


def test_workers_send_by_themselves(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUGCLI_CACHE", str(tmp_path / "cache"))
    expand(config(data, f"file://{tmp_path}/remote", workers=2))
    expand(config(data, tmp_path / "local"))
    assert files(tmp_path / "remote") == files(tmp_path / "local")


def test_a_dry_run_sends_nothing(remote: Remote, data: Path) -> None:
    result = expand(config(data, dry_run=True))
    assert result.manifest is None and remote.files() == {} and remote.changes == []


def all_of_it(remote: Remote, run: Callable[[], ExpandResult], cut: type[BaseException]) -> int:
    """Run again and again, each run a little longer until the power goes; how many were cut.

    Whenever it goes, by turns before a change and after one, what has a manifest is whole.
    """
    for cuts in itertools.count():
        remote.left = 2 * cuts + cuts % 2
        try:
            run()
        except cut:
            remote.left = None
            assert MANIFEST_FILE not in remote.files() or verify(URL).faults == ()
        else:
            remote.left = None
            return cuts
    raise AssertionError


@pytest.mark.parametrize("changes", [{}, {"copies": 2, "refresh": True, "prune": True}], ids=str)
def test_killed_at_any_change(
    remote: Remote,
    data: Path,
    tmp_path: Path,
    power: SimpleNamespace,
    changes: dict[str, Any],
) -> None:
    """Nothing that was sent and noted is sent again, and in the end all is as if nothing was."""
    local = tmp_path / "local"
    if changes:
        expand(config(data))
        expand(config(data, local))
    if "refresh" in changes:
        shutil.copy(data / "circle/00.jpg", data / "square/00.jpg")
        for number in range(3, 8):
            (data / f"stripes/{number:02d}.jpg").unlink()
    remote.changes.clear()
    cuts = all_of_it(remote, lambda: expand(config(data, **changes)), power.Cut)
    assert cuts > 5
    expand(config(data, local, **changes))
    assert remote.files() == files(local)
    shards = [name for name in remote.of("put") if name.endswith(".tar")]
    # What a cut leaves without a receipt, though it has come, is sent again.
    assert len(shards) <= len(set(shards)) + cuts


def test_killed_at_any_change_of_the_folder_here(
    remote: Remote, data: Path, tmp_path: Path, power: SimpleNamespace
) -> None:
    for after in itertools.count(0, 9):
        try:
            with power.cut(tmp_path / "cache" / FOLDERS, after):
                expand(config(data))
        except power.Cut:
            assert MANIFEST_FILE not in remote.files() or verify(URL).faults == ()
        else:
            break
    assert after > 20
    expand(config(data, tmp_path / "local"))
    assert remote.files() == files(tmp_path / "local")


def test_it_grows_from_another_machine(
    remote: Remote, data: Path, tmp_path: Path, another_machine: Callable[[], None]
) -> None:
    expand(config(data))
    another_machine()
    remote.changes.clear()
    assert made(expand(config(data))) == 0 and remote.changes == []
    expand(config(data, copies=2))
    new = [name for name in remote.of("put") if name.endswith(".tar")]
    assert new and all("r002" in name for name in new)
    assert MANIFEST_FILE not in remote.of("remove")[:-1]
    expand(config(data, tmp_path / "local", copies=2))
    assert remote.files() == files(tmp_path / "local")


def test_finished_on_another_machine(
    remote: Remote,
    data: Path,
    power: SimpleNamespace,
    another_machine: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Its manifest counts, not what was begun here."""
    remote.left = 3
    with pytest.raises(power.Cut):
        expand(config(data, copies=2))
    remote.left = None
    another_machine()
    expand(config(data))
    monkeypatch.setenv("AUGCLI_CACHE", str(tmp_path / "cache"))
    with pytest.raises(AugcliError, match="was expanded differently:\n  --seed: was 0, now 1"):
        expand(config(data, seed=1))
    expand(config(data, copies=2))
    expand(config(data, tmp_path / "local", copies=2))
    assert remote.files() == files(tmp_path / "local")


@pytest.mark.parametrize(
    ("name", "machine"),
    [
        ("shards/train-r001-00000.tar", "other"),
        (SAMPLES_FILE, "same"),
        (SAMPLES_FILE, "other"),
        ("README.md", "same"),
    ],
)
def test_what_was_lost_is_made_again(
    remote: Remote, data: Path, name: str, machine: str, another_machine: Callable[[], None]
) -> None:
    expand(config(data))
    before = remote.files()
    remote.remove(name)
    (lost,) = (fault for fault in [*faults()] if fault.startswith(name))
    assert "missing" in lost or "is not there" in lost
    if machine == "other":
        another_machine()
    expand(config(data))
    assert remote.files() == before


@pytest.mark.parametrize("name", [SAMPLES_FILE, "failures.jsonl", "README.md", "croissant.json"])
def test_what_is_damaged_is_sent_again(remote: Remote, data: Path, name: str) -> None:
    expand(config(data))
    before = remote.files()
    remote.write(name, b"garbage")
    told: list[str] = []
    result = expand(config(data), tell=told.append)
    assert (result.views_made, result.written) == (0, True)
    assert remote.files() == before
    is_page = name in ("README.md", "croissant.json")
    assert [f"{URL}/{name} is not as it was" in line for line in told] == [True] * is_page
    assert not expand(config(data)).written


@pytest.mark.parametrize("machine", ["same", "other"])
def test_a_split_that_loses_all_its_images_goes(
    remote: Remote,
    split_photos: Path,
    tmp_path: Path,
    machine: str,
    another_machine: Callable[[], None],
) -> None:
    data, local = tmp_path / "split", tmp_path / "local"
    shutil.copytree(split_photos, data)
    options = {"val_fraction": None, "test_fraction": None}
    expand(config(data, **options))
    before = remote.files()
    shutil.rmtree(data / "test")
    if machine == "other":
        another_machine()
    expand(config(data, prune=True, **options))
    expand(config(data, local, **options))
    stale = "shards/wids-testset.json"
    assert stale in before and remote.files() == files(local)
    assert not list((tmp_path / f"cache{'-0' * (machine == 'other')}").rglob(Path(stale).name))
    remote.write(stale, before[stale])  # as it was left
    expand(config(data, **options))
    assert remote.files() == files(local)


def faults() -> Iterator[str]:
    try:
        yield from (f"{fault.where}: {fault.what}" for fault in verify(URL).faults)
    except AugcliError as error:
        yield str(error).removeprefix(f"{URL}/")


@pytest.mark.parametrize(
    ("name", "spoil", "words"),
    [
        ("shards/val-00000.tar", lambda content: content[:-1], "bytes, found"),
        ("shards/val-00000.tar", lambda content: content + b"x", "bytes, found more"),
        ("shards/val-00000.tar", lambda content: b"x" + content[1:], "expected SHA-256"),
        ("croissant.json", lambda content: b"{}", "expected SHA-256"),
        ("shards/old.tar", lambda content: b"", "does not belong to the dataset"),
    ],
)
def test_verify_finds_it(
    remote: Remote, expanded: Files, name: str, spoil: Callable[[bytes], bytes], words: str
) -> None:
    for file, content in expanded.items():
        remote.write(file, content)
    remote.write(name, spoil(expanded.get(name, b"")))
    (fault,) = verify(URL).faults
    assert fault.where == name and words in fault.what
    assert bool(fault.shard) == name.startswith("shards/val")


def test_verify_leaves_growth_alone(remote: Remote, expanded: Files) -> None:
    for file, content in expanded.items():
        remote.write(file, content)
    assert not verify(URL).found.growing
    remote.write("shards/train-r002-00000.tar", b"on its way")
    assert verify(URL).found.growing and verify(URL).faults == ()


def test_a_dataset_that_was_removed_is_made_anew(remote: Remote, data: Path) -> None:
    expand(config(data))
    before = remote.files()
    for name in before:
        remote.remove(name)
    expand(config(data, seed=3))
    assert remote.files().keys() == before.keys() and remote.files() != before


def test_an_interrupted_one_that_was_removed(
    remote: Remote, data: Path, power: SimpleNamespace
) -> None:
    remote.left = 7
    with pytest.raises(power.Cut):
        expand(config(data))
    remote.left = None
    for name in remote.files():
        remote.remove(name)
    expand(config(data))
    assert verify(URL).faults == ()


def test_files_of_others(remote: Remote, data: Path) -> None:
    remote.write("README.md", b"mine")
    with pytest.raises(UsageError, match=r"holds README\.md but no manifest\.json: name"):
        expand(config(data))
    assert remote.files() == {"README.md": b"mine"}


def test_one_at_a_time(remote: Remote, data: Path) -> None:
    held = RemoteDatasetFolder(URL).path
    with exclusive_lock(held, ""), pytest.raises(AugcliError, match=f"{URL}: another expansion"):
        expand(config(data))


def test_another_machine_was_faster(
    remote: Remote, data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from augcli.augment import expansion

    estimate, local = expansion.estimate, tmp_path / "local"
    expand(config(data, local))

    def meanwhile(*given: Any) -> Any:
        for name, content in files(local).items():
            remote.write(name, content)
        return estimate(*given)

    monkeypatch.setattr(expansion, "estimate", meanwhile)
    with pytest.raises(AugcliError, match="has finished or begun there meanwhile"):
        expand(config(data))
    assert remote.files() == files(local)


@pytest.mark.parametrize(
    ("out", "changes", "words"),
    [
        (URL, {"format": "folder"}, "--format folder is for folders on this machine"),
        (URL, {"workers": 2}, "memory:// is in one process only: give --workers 1"),
        (URL, {"workers": None}, "memory:// is in one process only: give --workers 1"),
        ("https://host/d", {}, "https:// is not written to"),
        ("hf://datasets/a/b", {}, "hf:// is not written to, each file would be a commit"),
        ("what://host/d", {}, "unknown protocol 'what'"),
        ("s3://", {}, "not the URL of a folder"),
        ("memory://a::s3://b", {}, "chained URLs are not read"),
    ],
)
def test_refused(remote: Remote, data: Path, out: str, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        expand(config(data, out, **changes))
    assert remote.files() == {}


@pytest.mark.parametrize("option", ["deep", "repair"])
def test_verify_refuses(remote: Remote, option: str) -> None:
    from augcli.augment.config import VerifyConfig

    with pytest.raises(UsageError, match=f"--{option} is for folders on this machine"):
        verify(URL, VerifyConfig(**{option: True}))


def test_little_room(
    remote: Remote, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what is being made takes room here."""
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=600_000))
    with pytest.raises(AugcliError, match=r"--out .*: about 0\.\d+ MB are needed and 0\.60 MB are"):
        expand(config(data, tmp_path / "local", copies=9))
    expand(config(data, copies=9))
    with pytest.raises(AugcliError, match=rf"where shards for {URL} are made\): about .* are free"):
        expand(config(data, copies=60))


def test_failures_that_stay_and_then_pass(
    remote: Remote, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = Patience(first_seconds=0.001)
    monkeypatch.setattr("augcli.shards.connection.Patience", lambda: hasty)
    putting: Any = MemoryFileSystem.put_file
    broken = {"train-r001-00001.tar"}

    def fails(self: Any, lpath: str, rpath: str) -> None:
        if rpath.rpartition("/")[2] in broken:
            raise OSError(121, "Internal Error")
        putting(self, lpath, rpath)

    monkeypatch.setattr(MemoryFileSystem, "put_file", fails)
    message = f"{URL}/shards/train-r001-00001.tar: can't be written: OSError .*Internal Error"
    with pytest.raises(AugcliError, match=message):
        expand(config(data))
    broken.clear()
    expand(config(data))
    assert verify(URL).faults == ()
    shards = [name for name in remote.of("put") if name.endswith(".tar")]
    assert len(shards) == len(set(shards))


def test_a_cache_that_is_no_folder(
    remote: Remote, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("AUGCLI_CACHE", str(tmp_path / "file"))
    with pytest.raises(AugcliError, match=rf"in \$AUGCLI_CACHE, .*{URL}.*: can't be used: Not a"):
        expand(config(data))
