"""Done means published: a file appears under its name only when it is whole and flushed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO


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
