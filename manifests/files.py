"""Done means published: a file appears under its name only when it is whole and flushed."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from augcli.manifests.errors import AugcliError
from augcli.manifests.locks import let_go, lock_now, open_to_lock


def publish(temporary: Path, final: Path) -> None:
    """Give the flushed file `temporary` its final name, replacing what was there."""
    os.replace(temporary, final)
    flush_folder(final.parent)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that becomes `path` when it is whole; on any exception `path` stays."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        publish(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write `content` (text as UTF-8) so that `path` is either absent, as before, or whole."""
    with atomic_file(path) as file:
        file.write(content.encode("utf-8") if isinstance(content, str) else content)


def copy_atomic(source: Path, path: Path) -> None:
    """Copy the file `source` so that `path` is either as before, or whole."""
    with open(source, "rb") as content, atomic_file(path) as file:
        shutil.copyfileobj(content, file)


def replace_file(path: Path, content: str) -> None:
    """Write `content` so that `path` is never seen torn; after a power cut it may be lost."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(content, encoding="utf-8")
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def flush_folder(folder: Path) -> None:
    """Make the names in `folder` durable, where the system lets folders be flushed."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # Windows can't open folders; there the rename is durable by itself
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def exclusive_lock(path: Path, message: str) -> Iterator[None]:
    """Hold an advisory lock on a file or folder, which the system releases however we end.

    A file is made if there is none; in a folder nothing shows the lock. Processes forked meanwhile
    don't hold it.

    Raises:
        AugcliError: with `message`, when another process holds it.
    """
    if sys.platform == "win32":  # there two processes at once can't be told apart
        yield
        return
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    descriptor = open_to_lock(path, flags)
    try:
        try:
            lock_now(descriptor)
        except BlockingIOError:
            raise AugcliError(message) from None
        yield
    finally:
        let_go(descriptor)
