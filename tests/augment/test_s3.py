"""Expanding to S3: a real server on this machine, which loses, delays and tears on request."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from augcli.augment import ExpandConfig, expand
from augcli.augment.verifying import verify
from augcli.manifests.errors import AugcliError
from augcli.manifests.manifest import MANIFEST_FILE
from augcli.shards.patience import Patience
from augcli.shards.sending import WritableFolder

s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed: pip install 'augcli[test]'")
pytest.importorskip(
    "moto.server", reason="moto[server] is not installed: pip install 'augcli[test]'"
)

BUCKET = "bucket"
KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI"
STALL_SECONDS = 0.25

Files = dict[str, bytes]


@dataclass(frozen=True)
class Request:
    """What a client asked for: the object's name within its dataset; `is_list`: all of them.

    Asked whether a file is there that isn't, s3fs looks for one name in a folder that is called so.
    """

    method: str
    name: str
    is_list: bool


class Server:
    """S3 on loopback. Each of `faults` spoils one request of its method for a name with its text.

    "500" answers so without doing anything, "lost" does it and answers 500, "slow" takes longer
    than a client waits, "cut" sends half of the reply, "hang" waits to be released.
    """

    def __init__(self) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from moto.s3.models import s3_backends
        from werkzeug.serving import make_server

        self.requests: list[Request] = []
        self.faults: list[tuple[str, str, str]] = []
        self.hangs, self.released = threading.Event(), threading.Event()
        self._backend = s3_backends["123456789012"]["aws"]
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._http = make_server("127.0.0.1", 0, self, threaded=True)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.port}"

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        _, _, name = environ["PATH_INFO"].removeprefix(f"/{BUCKET}").lstrip("/").partition("/")
        method = environ["REQUEST_METHOD"]
        query = environ["QUERY_STRING"]
        is_list = "list-type" in query and "max-keys=1&" not in query
        self.requests.append(Request(method, name, is_list))
        fault = next((f for f in self.faults if f[0] == method and f[1] in name), None)
        if fault is None:
            return self._moto(environ, start_response)
        self.faults.remove(fault)
        return getattr(self, f"_{fault[2]}")(environ, start_response)

    def _500(self, environ: dict[str, Any], start_response: Any) -> Any:
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        return self._error(start_response)

    def _lost(self, environ: dict[str, Any], start_response: Any) -> Any:
        list(self._moto(environ, lambda *_: None))
        return self._error(start_response)

    def _error(self, start_response: Any) -> list[bytes]:
        start_response("500 Internal Server Error", [("Content-Length", "0")])
        return []

    def _slow(self, environ: dict[str, Any], start_response: Any) -> Any:
        self.released.wait(3 * STALL_SECONDS)
        return self._moto(environ, start_response)

    def _cut(self, environ: dict[str, Any], start_response: Any) -> Any:
        body = b"".join(self._moto(environ, start_response))
        return [body[: len(body) // 2]]

    def _hang(self, environ: dict[str, Any], start_response: Any) -> Any:
        self.hangs.set()
        self.released.wait(30)
        return self._moto(environ, start_response)

    def close(self) -> None:
        self.released.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def of(self, method: str, text: str = "") -> list[str]:
        return [r.name for r in self.requests if r.method == method and text in r.name]

    def files(self, folder: str) -> Files:
        """What is below a folder of the bucket."""
        start, keys = f"{folder}/", self._backend.buckets[BUCKET].keys
        return {n.removeprefix(start): keys[n].value for n in keys if n.startswith(start)}

    def put(self, folder: str, files: Files) -> None:
        """Have these files there, by no request."""
        for name, content in files.items():
            self._backend.put_object(BUCKET, f"{folder}/{name}", content)


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    server = Server()
    request = urllib.request.Request(f"{server.url}/{BUCKET}", method="PUT")
    urllib.request.urlopen(request, timeout=30).close()
    yield server
    server.close()


@pytest.fixture
def server(running: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """The server without faults, and a machine without a cache that is in a hurry."""
    from fsspec.config import conf

    settings = {
        "key": KEY,
        "secret": SECRET,
        "endpoint_url": running.url,
        "client_kwargs": {"region_name": "us-east-1"},
        "config_kwargs": {"retries": {"total_max_attempts": 1}, "read_timeout": STALL_SECONDS},
    }
    monkeypatch.setitem(conf, "s3", settings)
    monkeypatch.setenv("AUGCLI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    hasty = Patience(first_seconds=0.001)
    monkeypatch.setattr("augcli.shards.connection.Patience", lambda: hasty)
    running.requests.clear()
    running.faults.clear()
    yield running
    for filesystem in s3fs.S3FileSystem._cache.values():
        s3fs.S3FileSystem.close_session(filesystem.loop, filesystem._s3)
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A folder of the bucket for each test."""
    return "".join(letter if letter.isalnum() else "-" for letter in request.node.name)


@pytest.fixture
def url(name: str) -> str:
    return f"s3://{BUCKET}/{name}"


def config(data: Path, out: str | Path, **changes: object) -> ExpandConfig:
    base = ExpandConfig(
        data=str(data), out=out, copies=1, size=16, policy="basic", shard_size=12, workers=1,
        val_fraction=0.2, test_fraction=0.1,
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def local(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Files]:
    """The files of the same expansion, with so many copies, to a folder."""
    made: dict[int, Files] = {}

    def files(copies: int) -> Files:
        if copies not in made:
            out = tmp_path_factory.mktemp("local") / "d"
            expand(config(photos, out, copies=copies))
            found = (path for path in out.rglob("*") if path.is_file())
            made[copies] = {p.relative_to(out).as_posix(): p.read_bytes() for p in found}
        return made[copies]

    return files


def test_killed(
    server: Server, photos: Path, url: str, name: str, local: Callable[[int], Files]
) -> None:
    """In the midst of sending; then finished against all odds, as if nothing had happened."""
    server.released.clear()
    server.faults.append(("PUT", "test-00000.tar", "hang"))
    settings = {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }
    options = config(photos, url)
    names = ("data", "out", "copies", "size", "policy", "shard_size", "workers")
    given = [f"--{n.replace('_', '-')}={getattr(options, n)}" for n in names]
    given += ["--val-fraction=0.2", "--test-fraction=0.1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "augcli.cli", "expand", *given], env={**os.environ, **settings}
    )
    assert server.hangs.wait(60)
    process.send_signal(signal.SIGKILL)
    process.wait()
    server.released.set()
    assert MANIFEST_FILE not in server.files(name)
    server.requests.clear()
    server.faults += [
        ("HEAD", MANIFEST_FILE, "500"),
        ("HEAD", MANIFEST_FILE, "slow"),
        ("PUT", "train-r001-00001.tar", "500"),
        ("PUT", "train-r001-00001.tar", "lost"),
        ("HEAD", "train-r001-00001.tar", "500"),
        ("PUT", "test-00000.tar", "slow"),
        ("PUT", "samples.parquet", "lost"),
        ("PUT", MANIFEST_FILE, "500"),
        ("PUT", MANIFEST_FILE, "lost"),
    ]
    expand(config(photos, url))
    assert server.files(name) == local(1) and server.faults == []
    again = ("test-00000", "train-r000-00001", "train-r001-00001")
    assert set(server.of("PUT", ".tar")) == {f"shards/{shard}.tar" for shard in again}
    assert server.of("PUT")[-1] == MANIFEST_FILE
    assert not any(request.is_list for request in server.requests)


def test_from_another_machine(
    server: Server,
    photos: Path,
    url: str,
    name: str,
    local: Callable[[int], Files],
) -> None:
    """Grown and verified where replies break off."""
    server.put(name, local(1))
    server.faults += [("GET", text, "cut") for text in ("manifest", "samples", "train-r001")]
    expand(config(photos, url, copies=2))
    assert server.of("PUT", ".tar") and all("r002" in n for n in server.of("PUT", ".tar"))
    assert not any(request.is_list for request in server.requests)
    assert server.files(name) == local(2)
    assert verify(url).faults == () and server.faults == []


def test_what_stays_is_told(server: Server, photos: Path) -> None:
    """And no secret with it."""
    image = next(photos.rglob("*.jpg"))
    with pytest.raises(AugcliError, match=r"^s3://other/d/a\.jpg: there is no such bucket"):
        WritableFolder("s3://other/d").put(image, "a.jpg")
    server.faults += [("PUT", "a.jpg", "500")] * 5
    with pytest.raises(
        AugcliError, match=r"^s3://bucket/d/a\.jpg: can't be written: OSErr"
    ) as error:
        WritableFolder(f"s3://{BUCKET}/d").put(image, "a.jpg")
    assert KEY not in str(error.value) and SECRET not in str(error.value)
    assert server.faults == []
