"""A comparison's folder: what an earlier call left is gone on with, and nothing else is touched.

A mark is written before anything else, so that whatever has a comparison's name beside it is the
comparison's own, even after a crash.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.files import exclusive_lock, write_atomic
from augcli.train.comparisons.measurements import MEASUREMENTS_FILE
from augcli.train.comparisons.report import REPORT_FILES

EXPANDED, RUNS, RATES, PEER_FOLDER = "expanded", "trainings", "rates", "peers"
POLICIES = "policies"
THROUGHPUT_FILE, PLAN_FILE = "throughput.json", "plan.json"


@dataclass(frozen=True)
class OwnNames:
    """What a command leaves in its folder."""

    command: str
    folders: tuple[str, ...]
    files: tuple[str, ...]

    @property
    def mark(self) -> str:
        """The file that says so."""
        return f".augcli-{self.command}"


BENCHMARK = OwnNames(
    "benchmark",
    (EXPANDED, RUNS, RATES, PEER_FOLDER),
    (MEASUREMENTS_FILE, THROUGHPUT_FILE, PLAN_FILE, *REPORT_FILES),
)


@contextlib.contextmanager
def own_folder(out: Path, own: OwnNames) -> Iterator[None]:
    """Make `out`, or find an earlier call's work there, and keep others of its kind out of it.

    Raises:
        UsageError: files or folders with the names of its own are there, and are not.
        AugcliError: another one is at work there, or `out` can't be written.
    """
    with contextlib.ExitStack() as stack:
        try:
            _check_foreign(out, own)
            out.mkdir(parents=True, exist_ok=True)
            busy = f"--out {out}: another {own.command} is at work there: wait, or name another"
            stack.enter_context(exclusive_lock(out, f"{busy} folder"))
            _check_foreign(out, own)
            names = _listed((*own.folders, *own.files))
            write_atomic(
                out / own.mark,
                f"augcli {own.command} made {names} beside this file: it may go on with them, and "
                "replace them. Without this file it refuses to.\n",
            )
        except OSError as error:
            where = error.filename or out
            raise AugcliError(
                f"--out {out}: {where}: {error.strerror}; name another folder"
            ) from error
        yield


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _check_foreign(out: Path, own: OwnNames) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out}: is a file; expected a folder, or a new name")
    marked = (out / own.mark).is_file()
    for name in (*own.folders, *own.files):
        path = out / name
        if not path.exists() and not path.is_symlink():
            continue
        if not marked:
            raise UsageError(
                f"--out {out}: {path} is there, and was not made by augcli {own.command} (there is "
                f"no {own.mark} beside it): name another folder, or move it away"
            )
        if path.is_symlink() or path.is_dir() != (name in own.folders):
            raise UsageError(
                f"--out {out}: {path} is not what augcli {own.command} makes: name another folder, "
                "or move it away"
            )
