"""Reference images at a URL: a folder in the cache stands for them, and is brought up to date.

Images are read several times: to find duplicates, to expand, and to see which have changed before a
dataset grows. So each is fetched once and kept, and fetched again when it is another one there, as
size and tag tell. Where the server gives no tag, a table is fetched in every run: labels of one
length can take each other's place. What is no image by its name is only reported, and not fetched.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO

from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.files import replace_file
from augcli.manifests.inputs import MAX_FILE_BYTES, printable, why_not_by_name
from augcli.manifests.manifest import MANIFEST_FILE
from augcli.manifests.reading import parse_json
from augcli.manifests.table import TABLE_EXTENSIONS, read_table, source_in
from augcli.manifests.threads import in_threads
from augcli.shards.cache_lock import locked
from augcli.shards.connection import NotThereError
from augcli.shards.fetching import AT_ONCE, OtherBytesError, RemoteFile, RemoteFolder, Stat
from augcli.shards.urls import Place, cache_folder_of, checked_url, masked, parent_of

FOLDERS = "data"  # in the cache
LOG_FILE = "fetched.jsonl"
_WAIT_SECONDS = 0.2  # between looks at what another process fetches
_MOST_NAME_BYTES = 255

Stats = Mapping[str, Stat]


def data_at(url: str) -> Path:
    """The folder, or the table, on this machine that stands for what is at `url`.

    Raises:
        UsageError: a URL that isn't read, its driver isn't installed, or nothing is there.
        AugcliError: it can't be fetched, or not be kept here.
    """
    url = checked_url(url)
    folder_url, table = _folder_and_table(url)
    remote = RemoteFolder(folder_url)
    place = cache_folder_of(url, FOLDERS)
    copy = _Copy(remote, place, _folder_name(remote))
    try:
        place.mkdir(parents=True, exist_ok=True)
        with locked(place / "lock", lambda: time.sleep(_WAIT_SECONDS), remove=False):
            if table:
                copy.fetch({table: _stat_of_table(remote, table)})
            wanted = copy.listed_by(table) if table else _stats_of_folder(remote)
            copy.fetch(wanted)
            copy.remove_others(wanted)
    except OSError as error:
        raise AugcliError(
            f"{error.filename or place}: can't be used for what is fetched from "
            f"{remote.place}: {error.strerror or error}; set $AUGCLI_CACHE to another folder"
        ) from error
    return copy.folder / table


def place_of(url: str) -> Place:
    """The folder that the sources of what is at `url` are relative to, for people.

    Raises:
        UsageError: a URL that isn't read.
    """
    return Place(masked(_folder_and_table(checked_url(url))[0]))


def _folder_and_table(url: str) -> tuple[str, str]:
    """The URL of a folder, and the name of a table in it, '' when `url` is that of a folder."""
    is_table = PurePosixPath(masked(url)).suffix.lower() in TABLE_EXTENSIONS
    return parent_of(url) if is_table else (url, "")


def _folder_name(remote: RemoteFolder) -> str:
    """The name that cards and manifests give to the data."""
    name = PurePosixPath(masked(remote.connection.url)).name
    _check_name(name, remote)
    return name


def _stat_of_table(remote: RemoteFolder, table: str) -> Stat:
    found = remote.stat(table)
    if found is None:
        raise UsageError(f"--data {remote.place / table}: no such file")
    return found


def _stats_of_folder(remote: RemoteFolder) -> Stats:
    if remote.connection.protocol in ("http", "https"):
        raise UsageError(
            f"--data {remote.place}: files can't be listed by https://: give a table of them "
            f"({' or '.join(TABLE_EXTENSIONS)}) that lies beside them"
        )
    stats = {name: stat for name, stat in remote.listed().items() if not name.endswith("/")}
    if not stats:
        raise UsageError(f"--data {remote.place}: no such folder, or it is empty")
    for name in stats:
        _check_name(name, remote)
    return stats


def _check_name(name: str, remote: RemoteFolder) -> None:
    """A name that leads elsewhere, or that no file can have, is refused.

    Raises:
        UsageError: naming it.
    """
    parts = name.split("/")
    leads_away = any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts)
    if leads_away or any(len(os.fsencode(part)) > _MOST_NAME_BYTES for part in parts):
        raise UsageError(f"--data {remote.place}: {name!r} can't be a file here: rename it there")


class _Copy:
    """The copy in `place`: the images in a folder named `name`, and a log of what was fetched."""

    def __init__(self, remote: RemoteFolder, place: Path, name: str) -> None:
        self.folder = place / name
        self._remote = remote
        self._log = place / LOG_FILE
        self._logging = threading.Lock()
        self._fresh: set[str] = set()  # fetched in this run

    def listed_by(self, table: str) -> Stats:
        """The table and what its rows name; a file that isn't there will be missed later."""
        path = self.folder / table
        sources = {source_in(path, row.path) for row in read_table(path)} - {None}
        names = sorted(str(source) for source in sources if not why_not_by_name(str(source)))
        found = in_threads(self._remote.stat, [table, *names], AT_ONCE)
        return {n: s for n, s in zip([table, *names], found, strict=True) if s is not None}

    def fetch(self, wanted: Stats) -> None:
        """Have these files, as they are there now."""
        fetched = self._fetched()
        missing = {
            name: stat
            for name, stat in wanted.items()
            if fetched.get(name) != stat
            or not self._has(name, stat)
            or (name not in self._fresh and _may_hide_changes(name, stat))
        }
        self._check_space(missing)
        for folder in {self.folder, *((self.folder / name).parent for name in missing)}:
            folder.mkdir(parents=True, exist_ok=True)
        with open(self._log, "a", encoding="utf-8") as log:
            in_threads(lambda entry: self._fetch(*entry, log), missing.items(), AT_ONCE)

    def remove_others(self, wanted: Stats) -> None:
        """Have no other files than these."""
        for folder, _, names in os.walk(self.folder):
            for path in (Path(folder, name) for name in names):
                if path.relative_to(self.folder).as_posix() not in wanted:
                    path.unlink()
        kept = {name: stat for name, stat in self._fetched().items() if name in wanted}
        replace_file(self._log, "".join(map(_line, kept.items())))

    def _fetch(self, name: str, stat: Stat, log: IO[str]) -> None:
        path = self.folder / name
        if _is_read(name):
            self._save(RemoteFile(name, None, stat.bytes, MAX_FILE_BYTES), path)
        else:
            path.touch()
            os.truncate(path, stat.bytes or 0)
        with self._logging:
            log.write(_line((name, stat)))
            log.flush()
            self._fresh.add(name)

    def _save(self, file: RemoteFile, path: Path) -> None:
        try:
            self._remote.save(file, path)
        except NotThereError:
            return  # it was a moment ago
        except OtherBytesError:
            where = self._remote.place / file.name
            raise AugcliError(f"{where}: is being changed; run it again") from None

    def _fetched(self) -> dict[str, Stat]:
        """What is here; the last line may be torn."""
        found = {}
        with contextlib.suppress(FileNotFoundError):
            for line in self._log.read_text("utf-8").splitlines():
                with contextlib.suppress(ValueError, TypeError):
                    name, size, tag = parse_json(line)
                    found[name] = Stat(size, tag)
        return found

    def _has(self, name: str, stat: Stat) -> bool:
        try:
            size = os.stat(self.folder / name).st_size  # noqa: PTH116, faster
        except OSError:
            return False
        return stat.bytes in (None, size)

    def _check_space(self, missing: Stats) -> None:
        """Tell what will be fetched, unless there isn't room for it."""
        needed = sum(stat.bytes or 0 for name, stat in missing.items() if _is_read(name))
        free = shutil.disk_usage(self._log.parent).free
        if needed > free:
            raise AugcliError(
                f"--data {self._remote.place}: {needed / 1e9:,.2f} GB are to be fetched, and "
                f"{free / 1e9:,.2f} GB are free in {self._log.parent}: make room, or set "
                "$AUGCLI_CACHE to a folder elsewhere"
            )
        if len(missing) > 1:
            line = f"fetching {len(missing):,} files, {needed / 1e6:,.1f} MB: {self._remote.place}"
            print(printable(line), file=sys.stderr)


def _is_read(name: str) -> bool:
    """Whether anything reads the file: of others, only names and sizes are looked at."""
    path = PurePosixPath(name)
    if any(part.startswith(".") for part in path.parts):
        return False
    tells = path.name == MANIFEST_FILE or path.suffix.lower() in TABLE_EXTENSIONS
    return tells or not why_not_by_name(name)


def _may_hide_changes(name: str, stat: Stat) -> bool:
    """Whether the file can become another one, and neither tag nor size would tell."""
    is_table = PurePosixPath(name).suffix.lower() in TABLE_EXTENSIONS
    return not stat.tag and (is_table or stat.bytes is None)


def _line(entry: tuple[str, Stat]) -> str:
    name, stat = entry
    return json.dumps([name, stat.bytes, stat.tag]) + "\n"
