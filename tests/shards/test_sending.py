"""Files sent: whole under their names or not at all, tried again, refused where none can be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.hashing import sha256_bytes
from augcli.shards.patience import Patience
from augcli.shards.sending import WRITABLE, WritableFolder
from augcli.shards.uploading import Uploads, UploadWriter
from augcli.shards.urls import PROTOCOLS

NAME = "train-r000-00000.tar"
PLACE = f"shards/{NAME}"
CONTENT = b"tar" * 1000


@pytest.fixture(params=["memory", "file"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield "memory://sending/d" if request.param == "memory" else f"file://{tmp_path}/there/d"
    MemoryFileSystem.store.clear()


@pytest.fixture
def folder(url: str, hasty: Patience) -> WritableFolder:
    return WritableFolder(url, hasty)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    return path


def there(folder: WritableFolder) -> dict[str, bytes]:
    filesystem, root = folder.connection.open()
    found = filesystem.find(root)
    return {path.removeprefix(f"{root}/"): filesystem.cat_file(path) for path in found}


def test_sent_replaced_and_removed(folder: WritableFolder, source: Path) -> None:
    assert folder.stat(PLACE) is None
    first = folder.put(source, PLACE)
    assert first == folder.stat(PLACE) and first.bytes == len(CONTENT)
    source.write_bytes(b"other")
    second = folder.put(source, PLACE)
    assert second.tag != first.tag and there(folder) == {PLACE: b"other"}
    folder.remove(PLACE)
    folder.remove(PLACE)
    assert folder.stat(PLACE) is None and there(folder) == {}


def test_a_folder_is_no_file(folder: WritableFolder, source: Path) -> None:
    folder.put(source, PLACE)
    assert folder.stat("shards") is None


@pytest.mark.parametrize("driver", [MemoryFileSystem, LocalFileSystem])
def test_half_a_file_is_sent_again(
    driver: Any, tmp_path: Path, source: Path, hasty: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "memory://half" if driver is MemoryFileSystem else f"file://{tmp_path}/half"
    put_file, tries = driver.put_file, []

    def torn(self: Any, lpath: str, rpath: str) -> None:
        put_file(self, lpath, rpath)
        tries.append(rpath)
        if len(tries) < 3:
            self.pipe_file(rpath, CONTENT[: len(tries)])

    monkeypatch.setattr(driver, "put_file", torn)
    folder = WritableFolder(url, hasty)
    assert folder.put(source, PLACE).bytes == len(CONTENT)
    assert len(tries) == 3 and there(folder) == {PLACE: CONTENT}


def test_a_copy_that_breaks_off_is_not_seen(
    tmp_path: Path, source: Path, hasty: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk that is mounted, names appear before contents do."""
    folder = WritableFolder(f"file://{tmp_path}/there", hasty)

    def breaks_off(self: Any, lpath: str, rpath: str) -> None:
        Path(rpath).write_bytes(CONTENT[:5])
        raise OSError(5, "the line is dead")

    monkeypatch.setattr(LocalFileSystem, "put_file", breaks_off)
    with pytest.raises(AugcliError, match=f"{PLACE}: can't be written: OSError .*the line is dead"):
        folder.put(source, PLACE)
    assert folder.stat(PLACE) is None


@pytest.mark.parametrize(
    ("error", "words", "tries"),
    [
        (FileNotFoundError("The specified bucket does not exist"), "no such bucket", 1),
        (PermissionError("Access Denied"), "access is refused: PermissionError Access Denied", 1),
        (OSError(121, "Internal Error"), "can't be written: OSError.*what was sent is kept", 5),
    ],
)
def test_what_stays_is_told(
    error: Exception,
    words: str,
    tries: int,
    source: Path,
    hasty: Patience,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []

    def fails(self: Any, lpath: str, rpath: str) -> None:
        calls.append(rpath)
        raise error

    monkeypatch.setattr(MemoryFileSystem, "put_file", fails)
    with pytest.raises(AugcliError, match=f"^memory://b/{PLACE}: .*{words}"):
        WritableFolder("memory://b", hasty).put(source, PLACE)
    assert len(calls) == tries


@pytest.mark.parametrize("protocol", sorted(set(PROTOCOLS) - set(WRITABLE)))
def test_what_is_for_reading(protocol: str) -> None:
    with pytest.raises(UsageError, match=f"{protocol}:// is not written to.*expand into a folder"):
        WritableFolder(f"{protocol}://host/d")


@pytest.fixture
def uploads(folder: WritableFolder, tmp_path: Path) -> Uploads:
    return Uploads(folder, tmp_path / "receipts")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what is sent from now on."""
    names: list[str] = []
    put = WritableFolder.put

    def noted(self: WritableFolder, source: Path, name: str) -> Any:
        names.append(name)
        return put(self, source, name)

    monkeypatch.setattr(WritableFolder, "put", noted)
    return names


def send(uploads: Uploads, source: Path) -> None:
    uploads.send(source, NAME, sha256_bytes(source.read_bytes()))


def test_what_is_there_is_not_sent_again(uploads: Uploads, source: Path, sent: list[str]) -> None:
    send(uploads, source)
    assert uploads.holds(NAME, len(CONTENT), sha256_bytes(CONTENT)) and uploads.names() == {NAME}
    send(uploads, source)
    assert sent == [PLACE]


def same_size(folder: WritableFolder, uploads: Uploads, receipt: Path, source: Path) -> None:
    other = source.with_name("other")
    other.write_bytes(CONTENT[::-1])
    folder.put(other, PLACE)


def gone(folder: WritableFolder, uploads: Uploads, receipt: Path, source: Path) -> None:
    folder.remove(PLACE)


def on_the_way(folder: WritableFolder, uploads: Uploads, receipt: Path, source: Path) -> None:
    receipt.write_text(json.dumps({**json.loads(receipt.read_text()), "tag": ""}))


def torn(folder: WritableFolder, uploads: Uploads, receipt: Path, source: Path) -> None:
    receipt.write_text(receipt.read_text()[:9])


@pytest.mark.parametrize("what", [same_size, gone, on_the_way, torn])
def test_what_may_be_another_one_is_sent_again(
    what: Callable[..., None],
    folder: WritableFolder,
    uploads: Uploads,
    tmp_path: Path,
    source: Path,
    sent: list[str],
) -> None:
    send(uploads, source)
    what(folder, uploads, tmp_path / "receipts" / f"{NAME}.json", source)
    assert not uploads.holds(NAME, len(CONTENT), sha256_bytes(CONTENT))
    sent.clear()
    send(uploads, source)
    assert sent == [PLACE] and there(folder)[PLACE] == CONTENT
    assert uploads.holds(NAME, len(CONTENT), sha256_bytes(CONTENT))


def test_without_a_receipt_the_size_tells(
    folder: WritableFolder, uploads: Uploads, source: Path
) -> None:
    folder.put(source, PLACE)
    assert uploads.holds(NAME, len(CONTENT), "any")
    assert not uploads.holds(NAME, len(CONTENT) + 1, "any")
    assert uploads.has_size(NAME, len(CONTENT)) and not uploads.has_size("no", 0)


def test_a_shard_is_made_here_and_not_kept(
    folder: WritableFolder, uploads: Uploads, tmp_path: Path
) -> None:
    temporary = tmp_path / "shard.tmp"
    with UploadWriter(uploads, NAME, temporary) as writer:
        address = writer.write("a", "class", {"jpg": b"image", "cls": b"0", "json": b"{}"})
        assert there(folder) == {}
        digest = writer.publish()
    assert address == (NAME, 512) and not temporary.exists()
    assert sha256_bytes(there(folder)[PLACE]) == digest and writer.bytes == len(
        there(folder)[PLACE]
    )


def test_a_shard_that_is_given_up(folder: WritableFolder, uploads: Uploads, tmp_path: Path) -> None:
    with UploadWriter(uploads, NAME, tmp_path / "shard.tmp") as writer:
        writer.write("a", "class", {"jpg": b"image"})
    assert there(folder) == {} and not (tmp_path / "shard.tmp").exists()
