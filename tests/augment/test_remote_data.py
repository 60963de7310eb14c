"""Images at a URL: each fetched once, again when it changes there, and the same dataset as here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from augcli.augment import ExpandConfig, expand
from augcli.augment.reference_data import load_reference
from augcli.manifests.errors import AugcliError, UsageError
from augcli.shards.fetching import RemoteFolder, Stat

URL = "memory://bucket/shapes"
ROOT = "/bucket/shapes/"


class Remote:
    """The photos in fsspec's memory; `fetched` names what was read since it was cleared."""

    def __init__(self) -> None:
        self.fetched: list[str] = []

    def write(self, name: str, content: bytes) -> None:
        MemoryFileSystem().pipe_file(ROOT + name, content)

    def remove(self, name: str) -> None:
        MemoryFileSystem.store.pop(ROOT + name)

    def names(self) -> list[str]:
        return sorted(path.removeprefix(ROOT) for path in MemoryFileSystem.store)


@pytest.fixture
def remote(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Remote]:
    monkeypatch.setenv("AUGCLI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    remote = Remote()
    for path in photos.rglob("*.jpg"):
        remote.write(path.relative_to(photos).as_posix(), path.read_bytes())
    original: Any = MemoryFileSystem.open

    def opening(self: Any, path: str, mode: str = "rb", **options: Any) -> Any:
        if mode == "rb":
            remote.fetched.append(path.removeprefix(ROOT))
        return original(self, path, mode, **options)

    monkeypatch.setattr(MemoryFileSystem, "open", opening)
    yield remote
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


def sources(data: str) -> list[str]:
    return sorted(sample.source for sample in load_reference(data).samples)


def test_the_same_dataset_as_in_a_folder(
    remote: Remote, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    local = Path(shutil.copytree(photos, tmp_path / "here" / "shapes"))
    for name in ("notes.txt", "circle/.hidden.jpg", "broken.zip"):
        remote.write(name, b"12345")
        (local / name).write_bytes(b"12345")
    base = ExpandConfig(data=URL, out=tmp_path / "a", copies=1, size=16, policy="basic", workers=1)
    expand(base)
    assert "fetching" in capsys.readouterr().err
    expand(replace(base, data=str(local), out=tmp_path / "b"))
    for name in ("manifest.json", "samples.parquet", "failures.jsonl", "README.md"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert sorted(remote.fetched) == [n for n in remote.names() if n[0] in "cs" and n[7] != "."]


def test_each_image_is_fetched_once(remote: Remote, capsys: pytest.CaptureFixture[str]) -> None:
    assert sources(URL) == sorted(remote.fetched) == remote.names()
    remote.fetched.clear()
    capsys.readouterr()
    assert sources(URL) == remote.names() and remote.fetched == []
    assert capsys.readouterr().err == ""


def test_what_changes_there_changes_here(remote: Remote) -> None:
    sources(URL)
    remote.fetched.clear()
    remote.write("circle/00.jpg", b"other")
    remote.write("square/new.jpg", b"new")
    remote.remove("stripes/00.jpg")
    reference = load_reference(URL)
    assert sorted(remote.fetched) == ["circle/00.jpg", "square/new.jpg"]
    assert sorted(sample.source for sample in reference.samples) == remote.names()
    assert (reference.root / "circle/00.jpg").read_bytes() == b"other"
    assert reference.name == "shapes"


def lost(folder: Path) -> None:
    (folder / "circle/00.jpg").unlink()


def shorter(folder: Path) -> None:
    (folder / "circle/00.jpg").write_bytes(b"")


def not_noted(folder: Path) -> None:
    """Killed between an image and the note of it."""
    log = folder.parent / "fetched.jsonl"
    lines = [line for line in log.read_text().splitlines() if "circle/00.jpg" not in line]
    log.write_text("\n".join(lines) + '\n["circle/0')


@pytest.mark.parametrize("what", [lost, shorter, not_noted])
def test_what_was_interrupted_is_finished(remote: Remote, what: Callable[[Path], None]) -> None:
    folder = load_reference(URL).root
    what(folder)
    (folder / "circle" / ".left.jpg.1.tmp").write_bytes(b"half")
    (folder / "circle" / "gone.jpg").write_bytes(b"never noted, and removed there since")
    remote.fetched.clear()
    reference = load_reference(URL)
    assert remote.fetched == ["circle/00.jpg"] and reference.skipped == ()
    assert sorted(sample.source for sample in reference.samples) == remote.names()


def test_a_table(remote: Remote) -> None:
    names = ("circle/00.jpg", "square/00.jpg", "no.jpg", "../x.jpg", "a.txt")
    rows = [f"{name},{name[:6]},train" for name in names]
    remote.write("labels.csv", "\n".join(["path,label,split", *rows]).encode())
    for _ in range(2):
        reference = load_reference(f"{URL}/labels.csv", val_fraction=0, test_fraction=0)
        assert sorted(s.source for s in reference.samples) == ["circle/00.jpg", "square/00.jpg"]
        reasons = {failure.source: failure.reason for failure in reference.skipped}
        assert reasons == {
            "no.jpg": "no such file (labels.csv, line 4)",
            "../x.jpg": "outside the folder of the table (labels.csv, line 5)",
            "a.txt": "not an image extension: .txt (labels.csv, line 6)",
        }
    assert sorted(remote.fetched) == ["circle/00.jpg", "labels.csv", "square/00.jpg"]


@pytest.mark.parametrize("tag", ["Last-Modified", ""])
def test_a_table_that_keeps_its_size(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tag: str
) -> None:
    """Was: on servers without ETags the labels of the first run, for ever."""
    monkeypatch.setenv("AUGCLI_CACHE", str(tmp_path / "cache"))
    site = Path(shutil.copytree(photos, tmp_path / "site"))
    rows = [f"{path.relative_to(site)},{path.parent.name}" for path in sorted(site.rglob("*.jpg"))]
    (site / "t.csv").write_text("\n".join(["path,label", *rows]))
    with served(site, tag) as (url, asked):
        before = load_reference(f"{url}/t.csv")
        text = (site / "t.csv").read_text()
        (site / "t.csv").write_text(text.replace("circle/00.jpg,circle", "circle/00.jpg,square"))
        os.utime(site / "t.csv", (10**9, 10**9))
        asked.clear()
        after = load_reference(f"{url}/t.csv")
    assert asked == ["/t.csv"]
    label_of = {sample.source: after.classes[sample.label] for sample in after.samples}
    assert label_of.pop("circle/00.jpg") == "square"
    assert len(before.samples) == len(after.samples) == len(label_of) + 1


def test_a_file_of_unknown_size_and_tag_is_fetched_again(remote: Remote) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stat = Stat(None, "")
        patch.setattr(RemoteFolder, "listed", lambda self: dict.fromkeys(remote.names(), stat))
        sources(URL)
        remote.write("circle/00.jpg", b"other")
        remote.fetched.clear()
        reference = load_reference(URL)
    assert sorted(remote.fetched) == remote.names()
    assert (reference.root / "circle/00.jpg").read_bytes() == b"other"


@contextmanager
def served(folder: Path, tag: str) -> Iterator[tuple[str, list[str]]]:
    """The URL of a folder, served with the header `tag` if it has one; and what was read of it."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def send_header(self, keyword: str, value: str) -> None:
            if keyword != "Last-Modified" or tag:
                super().send_header(keyword, value)

        def do_GET(self) -> None:
            asked.append(self.path)
            super().do_GET()

        def log_message(self, *given: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.mark.parametrize("table", ["", "/t.csv"])
def test_what_became_of_images_is_told_by_their_url(
    remote: Remote, tmp_path: Path, table: str
) -> None:
    """Was: the path of their copy in the cache."""
    rows = [f"{name},{name[:6]}" for name in remote.names()]
    remote.write("t.csv", "\n".join(["path,label", *rows]).encode())
    settings = ExpandConfig(
        data=URL + table, out=tmp_path / "out", copies=0, size=16, policy="none", workers=1
    )
    expand(settings)
    remote.write("circle/00.jpg", b"other")
    remote.remove("square/00.jpg")
    with pytest.raises(AugcliError) as error:
        expand(settings)
    assert f"\n  {URL}/circle/00.jpg: has changed" in str(error.value)
    assert f"\n  {URL}/square/00.jpg: is " in str(error.value)
    assert str(tmp_path / "cache") not in str(error.value)


def test_duplicates_that_empty_a_class_are_told_by_their_url(
    remote: Remote, tmp_path: Path
) -> None:
    for name in remote.names():
        remote.write(name, b"the same")
    with pytest.raises(AugcliError, match=f"^{URL}: --dedupe leaves no training images"):
        expand(ExpandConfig(data=URL, out=tmp_path / "out", dedupe=True, workers=1))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("memory://bucket/no", "memory://bucket/no: no such folder, or it is empty"),
        (f"{URL}/no.csv", f"{URL}/no.csv: no such file"),
        (f"{URL}/circle", f"--data {URL}/circle: no images found"),
        ("https://host/photos", "files can't be listed by https://: give a table"),
        ("what://host/photos", "unknown protocol 'what'"),
    ],
)
def test_refused(remote: Remote, data: str, words: str) -> None:
    with pytest.raises(UsageError) as error:
        load_reference(data)
    assert words in str(error.value)


@pytest.mark.parametrize("name", ["a/../../b.jpg", "a//b.jpg", "a\\b.jpg", "a/" + "b" * 300])
def test_names_that_lead_elsewhere(
    remote: Remote, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a store lists: the one in memory cleans some names in some versions of fsspec."""
    listed = RemoteFolder.listed

    def with_name(folder: RemoteFolder) -> dict[str, Stat]:
        found = listed(folder)
        return {**found, name: found["circle/00.jpg"]}

    monkeypatch.setattr(RemoteFolder, "listed", with_name)
    with pytest.raises(UsageError, match="can't be a file here: rename it there"):
        load_reference(URL)


def test_no_room(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(AugcliError, match=f"--data {URL}: .* GB are to be fetched.*AUGCLI_CACHE"):
        load_reference(URL)
    assert remote.fetched == []
