"""One remote file: whole and right, or a clear refusal that tells no secrets."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fsspec
import pytest
from fsspec.config import conf

from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.hashing import sha256_bytes
from augcli.shards.connection import http_options
from augcli.shards.fetching import RemoteFile, RemoteFolder
from augcli.shards.patience import Patience
from augcli.shards.stop import Stop, Stopped

NAME = "shards/train-r000-00000.tar"
PATH = f"/dataset/{NAME}"


class Memory:
    def __init__(self) -> None:
        self.data = b""

    def restart(self) -> None:
        self.data = b""

    def write(self, piece: bytes) -> None:
        self.data += piece


@pytest.fixture
def data(contents: dict[str, bytes]) -> bytes:
    return contents["train-r000-00000.tar"]


@pytest.fixture
def file(data: bytes) -> RemoteFile:
    return RemoteFile(NAME, sha256_bytes(data), len(data), len(data))


@pytest.fixture(params=["http", "file", "memory"])
def url(request: pytest.FixtureRequest, dataset: Path, data: bytes) -> Iterator[str]:
    """The same dataset, three times."""
    if request.param == "http":
        yield request.getfixturevalue("server").url
    elif request.param == "file":
        yield f"file://{dataset}"
    else:
        memory = fsspec.filesystem("memory")
        memory.pipe_file(f"/fetching/{NAME}", data)
        yield "memory://fetching"
        memory.rm("/fetching", recursive=True)


def fetched(url: str, file: RemoteFile, patience: Patience | None = None) -> bytes:
    sink = Memory()
    RemoteFolder(url, patience).fetch(file, sink)
    return sink.data


def failure(url: str, file: RemoteFile, patience: Patience | None = None) -> str:
    with pytest.raises(AugcliError) as error:
        fetched(url, file, patience)
    return str(error.value)


@pytest.mark.parametrize(
    "name",
    ["ETag", "etag", "Content-MD5", "Digest", "Last-Modified", "generation", "mtime", "created",
     "blob_id", "xet_hash"],
)  # fmt: skip
def test_whatever_a_driver_tells_of_the_bytes_is_in_the_tag(name: str) -> None:
    """Was: without an ETag, as of Python's http.server, two files of one size were the same."""
    found = {"type": "file", "size": 5, "xet_hash": None}

    def tag(info: dict[str, object]) -> str:
        stat = RemoteFolder("memory://x").stat_at(SimpleNamespace(info=lambda path: info), "/x/1")
        assert stat is not None
        return stat.tag

    assert len({tag(found), tag({**found, name: "one"}), tag({**found, name: "other"})}) == 3
    assert tag(found) == ""


def test_the_bytes(url: str, file: RemoteFile, data: bytes) -> None:
    assert fetched(url, file) == data


def test_in_pieces(
    url: str, file: RemoteFile, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("augcli.shards.fetching.PIECE_BYTES", 999)
    assert fetched(url, file) == data


def test_what_nothing_vouches_for(url: str, data: bytes) -> None:
    assert fetched(url, RemoteFile(NAME, None, None, len(data))) == data


def test_a_file_that_is_not_there(url: str) -> None:
    message = failure(url, RemoteFile("shards/no.tar", None, None, 9))
    assert message.startswith(f"{url}/shards/no.tar: is not there")


def test_other_bytes(url: str, file: RemoteFile) -> None:
    expected = "0" * 64
    message = failure(url, RemoteFile(NAME, expected, file.bytes, file.most_bytes))
    assert message.startswith(f"{url}/{NAME}: expected SHA-256 {expected}, found {file.sha256}")


@pytest.mark.parametrize("wrong", [-1, 1])
def test_another_size(url: str, file: RemoteFile, wrong: int) -> None:
    expected = (file.bytes or 0) + wrong
    message = failure(url, RemoteFile(NAME, file.sha256, expected, file.most_bytes))
    assert f"{NAME}: expected {expected} bytes, found {file.bytes}" in message


def test_more_bytes_than_there_may_be(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not kept, however many there are."""
    monkeypatch.setattr("augcli.shards.fetching.PIECE_BYTES", 30)
    sink = Memory()
    with pytest.raises(AugcliError, match="expected at most 100 bytes, found more"):
        RemoteFolder(url).fetch(RemoteFile(NAME, None, None, 100), sink)
    assert len(sink.data) <= 100


def test_stopped(url: str, file: RemoteFile) -> None:
    stop = Stop()
    stop.set()
    with pytest.raises(Stopped):
        RemoteFolder(url).fetch(file, Memory(), stop)


@pytest.mark.parametrize(
    "faults",
    [[500], [503, 500, 502, 504], ["cut"], ["cut", 429, "cut"], ["short"], ["wrong"], ["long"]],
    ids=str,
)
def test_faults_that_pass(
    server: Any, file: RemoteFile, data: bytes, hasty: Patience, faults: list[int | str]
) -> None:
    server.faults[PATH] = list(faults)
    assert fetched(server.url, file, hasty) == data
    assert server.requests[PATH] == len(faults) + 1


@pytest.mark.parametrize("fault", [500, "cut"])
def test_faults_that_stay(server: Any, file: RemoteFile, hasty: Patience, fault: int | str) -> None:
    server.faults[PATH] = [fault] * 9
    message = failure(server.url, file, hasty)
    assert message.startswith(f"{server.url}/{NAME}: can't be read: Client")
    assert server.requests[PATH] == 5


@pytest.mark.parametrize("fault", ["wrong", "short", "long"])
def test_wrong_bytes_get_one_more_try(
    server: Any, file: RemoteFile, hasty: Patience, fault: str
) -> None:
    server.faults[PATH] = [fault] * 9
    assert ", twice: it is not what was expanded" in failure(server.url, file, hasty)
    assert server.requests[PATH] == 2


@pytest.mark.parametrize(("status", "words"), [(404, "is not there"), (403, "access is refused")])
def test_what_lasts_is_told_at_once(server: Any, file: RemoteFile, status: int, words: str) -> None:
    server.faults[PATH] = [status] * 9
    assert words in failure(server.url, file)
    assert server.requests[PATH] == 1


def test_silence_is_a_fault(server: Any, file: RemoteFile, data: bytes) -> None:
    server.faults[PATH] = ["silent"]
    assert fetched(server.url, file, Patience(first_seconds=0.001, stall_seconds=0.1)) == data


def test_only_silence_has_a_time_limit() -> None:
    """aiohttp's own limit is five minutes for the whole, which a large shard may take."""
    timeout = http_options(Patience(stall_seconds=7))["client_kwargs"]["timeout"]
    assert (timeout.total, timeout.sock_connect, timeout.sock_read) == (None, 7, 7)


def test_the_users_settings_for_fsspec_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(conf, "https", {"client_kwargs": {"trust_env": True, "read_bufsize": 5}})
    options = http_options(Patience())["client_kwargs"]
    assert options["trust_env"] and options["read_bufsize"] == 5 and options["timeout"]


def test_no_server(file: RemoteFile, hasty: Patience) -> None:
    assert "can't be read" in failure("http://127.0.0.1:1/d", file, hasty)


SECRETS = ("hunter22", "c2lnbmF0dXJl", "s3cr3t")


@pytest.mark.parametrize("fault", [None, 404, 403, 500, "wrong", "cut", "no server"])
def test_secrets_are_never_told(
    server: Any, file: RemoteFile, hasty: Patience, fault: int | str | None
) -> None:
    host = "127.0.0.1:1" if fault == "no server" else server.host
    url = f"http://s3cr3tary:hunter22@{host}/dataset?sig=c2lnbmF0dXJl%3D"
    server.faults[PATH] = [fault] * 9
    if fault is None:
        fetched(url, file)
        assert server.queries == {"sig=c2lnbmF0dXJl%3D"}
        return
    with pytest.raises(AugcliError) as error:
        fetched(url, file, hasty)
    told = "".join(traceback.format_exception(error.value))  # as torch tells of its workers
    assert str(error.value).startswith(f"http://***@{host}/dataset/{NAME}")
    assert not [secret for secret in SECRETS if secret in told]
    assert "@" not in RemoteFolder(url).place.replace("***@", "")


@pytest.mark.parametrize(
    ("protocol", "package"),
    [
        ("s3", r"'augcli\[s3\]'"),
        ("gs", r"'augcli\[gcs\]'"),
        ("az", r"'augcli\[azure\]'"),
        ("https", r"'augcli\[http\]'"),
        ("abfss", r"'augcli\[azure\]'"),
    ],
)
@pytest.mark.parametrize("missing", [ImportError("no"), ValueError("Protocol not known")], ids=repr)
def test_a_driver_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
    file: RemoteFile,
    protocol: str,
    package: str,
    missing: Exception,
) -> None:
    def no_driver(_: str) -> None:
        raise missing

    monkeypatch.setattr(fsspec, "get_filesystem_class", no_driver)
    with pytest.raises(UsageError, match=f"pip install {package}$"):
        fetched(f"{protocol}://bucket/dataset", file)


def test_extras_are_those_that_messages_name() -> None:
    import tomllib

    from augcli.shards.urls import PROTOCOLS

    config = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    named = {package[8:-2] for package in PROTOCOLS.values() if package.startswith("'augcli[")}
    assert named == set(config["project"]["optional-dependencies"]) - {
        "test",
        "optuna",
        "dask",
        "ray",
    }


def test_a_driver_can_fail_in_any_way(
    monkeypatch: pytest.MonkeyPatch, dataset: Path, file: RemoteFile
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no account\nand more of it")

    driver = fsspec.get_filesystem_class("file")
    monkeypatch.setattr(driver, "_open", broken)
    message = failure(f"file://{dataset}", file)
    assert "can't be read: RuntimeError no account; check" in message


def test_fsspec_is_not_imported_before_it_is_used() -> None:
    names = ("remote", "remote_dataset", "sending", "uploading")
    code = "; ".join(f"import augcli.shards.{name}" for name in names)
    code += "; import sys; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert not {"fsspec", "aiohttp", "pyarrow"} & set(loaded)
