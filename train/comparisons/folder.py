"""The benchmark's folder: what an earlier benchmark left is replaced, and nothing else.

A mark is written before anything else, so that whatever has a benchmark's name beside it is the
benchmark's own, even after a crash.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.files import exclusive_lock, write_atomic
from augcli.train.comparisons.report import REPORT_FILES

EXPANDED, RUNS = "expanded", "trainings"
MARK_FILE = ".augcli-benchmark"
_MARK = "augcli benchmark made expanded, trainings and the report beside this file: it may remove\n"
_MARK += "and replace them. Without this file it refuses to.\n"


@contextlib.contextmanager
def own_folder(out: Path) -> Iterator[None]:
    """Make `out`, or empty it of an earlier benchmark's work, and keep other benchmarks out of it.

    Raises:
        UsageError: files or folders with the names of a benchmark's are there, and not its own.
        AugcliError: another benchmark is at work there, or `out` can't be written.
    """
    with contextlib.ExitStack() as stack:
        try:
            _check_foreign(out)
            out.mkdir(parents=True, exist_ok=True)
            busy = f"--out {out}: another benchmark is at work there: wait, or name another folder"
            stack.enter_context(exclusive_lock(out, busy))
            _check_foreign(out)
            write_atomic(out / MARK_FILE, _MARK)
            _clear(out)
        except OSError as error:
            where = error.filename or out
            raise AugcliError(
                f"--out {out}: {where}: {error.strerror}; name another folder"
            ) from error
        yield


def _check_foreign(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out}: is a file; expected a folder, or a new name")
    marked = (out / MARK_FILE).is_file()
    for name in (EXPANDED, RUNS, *REPORT_FILES):
        path = out / name
        if not path.exists() and not path.is_symlink():
            continue
        if not marked:
            raise UsageError(
                f"--out {out}: {path} is there, and was not made by a benchmark (there is no "
                f"{MARK_FILE} beside it): name another folder, or move it away"
            )
        if path.is_symlink() or path.is_dir() != (name in (EXPANDED, RUNS)):
            raise UsageError(
                f"--out {out}: {path} is not what a benchmark makes: name another folder, or "
                "move it away"
            )


def _clear(out: Path) -> None:
    for name in (EXPANDED, RUNS):
        if (out / name).exists():
            shutil.rmtree(out / name)
