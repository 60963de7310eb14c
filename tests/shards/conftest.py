"""A dataset of small shards, and an HTTP server on this machine that can misbehave on request."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from augcli.manifests.manifest import ShardRecord
from augcli.shards.patience import Patience

SHARD_BYTES = 5000
NAMES = tuple(f"train-r000-{number:05d}.tar" for number in range(8))


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fresh processes import test files by their names, and pytest alone doesn't see to it."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))


class Server:
    """Serves `files` by path. Each fault in `faults[path]` spoils one request for it.

    A number is a status; "cut" and "short" send half of what is announced or of what there is,
    "long" more, "wrong" other bytes; "silent" sends half, then nothing until the server closes.
    `seconds` are taken by each reply. Asked for are counted in `requests`, by path; `most_at_once`
    is how many were answered at the same time.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, list[int | str]] = defaultdict(list)
        self.requests: Counter[str] = Counter()
        self.queries: set[str] = set()
        self.seconds = 0.0
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._http.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/dataset"

    def close(self) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path, _, query = request.path.partition("?")
        with self._lock:
            self.requests[path] += 1
            self.queries.add(query)
            fault = self.faults[path].pop(0) if self.faults[path] else None
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            self._closing.wait(self.seconds)
            self._send(request, path, fault)
        except OSError:
            pass  # the other end was killed, or had enough
        finally:
            with self._lock:
                self._at_once -= 1

    def _send(self, request: BaseHTTPRequestHandler, path: str, fault: int | str | None) -> None:
        body = self.files.get(path)
        if isinstance(fault, int) or body is None:
            request.send_response(fault if isinstance(fault, int) else 404)
            request.end_headers()
            return
        if fault == "wrong":
            body = bytes([body[0] ^ 1]) + body[1:]
        elif fault == "long":
            body += b"more"
        request.send_response(200)
        if fault != "short":
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        half = fault in ("cut", "short", "silent")
        request.wfile.write(body[: len(body) // 2] if half else body)
        if fault == "silent":
            request.wfile.flush()
            self._closing.wait(30)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        return Handler


def content(name: str) -> bytes:
    return hashlib.shake_128(name.encode()).digest(SHARD_BYTES)


@pytest.fixture
def server() -> Iterator[Server]:
    """The server, with the shards of `records` below its URL."""
    server = Server()
    server.files = {f"/dataset/shards/{name}": content(name) for name in NAMES}
    yield server
    server.close()


@pytest.fixture
def contents() -> dict[str, bytes]:
    """Shard name -> its bytes."""
    return {name: content(name) for name in NAMES}


@pytest.fixture
def records(contents: dict[str, bytes]) -> list[ShardRecord]:
    """The manifest's records of these shards."""
    return [
        ShardRecord(name, "train", 0, number, 1, len(data), hashlib.sha256(data).hexdigest())
        for number, (name, data) in enumerate(contents.items())
    ]


@pytest.fixture
def dataset(tmp_path: Path, contents: dict[str, bytes]) -> Path:
    """A folder with the shards."""
    folder = tmp_path / "dataset"
    (folder / "shards").mkdir(parents=True)
    for name, data in contents.items():
        (folder / "shards" / name).write_bytes(data)
    return folder


@pytest.fixture
def unflushed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave it to the system when to write to the disk, for which these tests would wait most."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def hasty() -> Patience:
    """Five tries without waiting."""
    return Patience(first_seconds=0.001, stall_seconds=5)


@pytest.fixture
def eventually() -> Callable[[Callable[[], object]], None]:
    """Wait until something is true; fail when it doesn't come true."""

    def wait(holds: Callable[[], object]) -> None:
        for _ in range(1000):
            if holds():
                return
            time.sleep(0.01)
        pytest.fail("it never came true")

    return wait
