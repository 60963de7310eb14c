"""Run folders: a number for a new run, the newest one to go on with, one training in each."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from augcli.manifests.errors import AugcliError, UsageError
from augcli.manifests.files import exclusive_lock
from augcli.manifests.manifest import MANIFEST_FILE, SAMPLES_FILE, WORK_FOLDER
from augcli.train.record import RunFolder

DEFAULT_RUNS = Path("runs")
_NUMBERED = re.compile(r"(\d{3,})-(shards|on-the-fly|none)")
_DATASET_MARKS = (MANIFEST_FILE, SAMPLES_FILE, WORK_FOLDER)


@contextlib.contextmanager
def run_folder(out: Path | None, resume: bool, source: str) -> Iterator[Path]:
    """Where the run goes: `out`, else the newest run in ./runs to resume, else a new number there.

    A number belongs to this process alone; if its folder is still empty at the end, it goes.

    Raises:
        UsageError: nothing to resume, or a folder that doesn't suit the run.
        AugcliError: a training is at work there, or the folder can't be made.
    """
    if out is not None or resume:
        folder = out or _newest_run()
        check_folder(RunFolder(folder), resume)
        yield folder
        return
    new_runs = not DEFAULT_RUNS.exists()
    folder = _claim_number(source)
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):  # a run is in it
            folder.rmdir()
            if new_runs:
                DEFAULT_RUNS.rmdir()


def check_folder(run: RunFolder, resume: bool) -> None:
    """See whether the run could start or go on in its folder, before anything long is begun.

    Raises:
        UsageError, AugcliError: as `held`.
    """
    with _told(run):
        _check_place(run)
        if run.folder.is_dir():
            with _locked(run):
                _check_run(run, resume)
        elif resume:
            _check_run(run, resume)


@contextlib.contextmanager
def held(run: RunFolder, resume: bool) -> Iterator[None]:
    """Make the run's folder, or find it, and keep other trainings out of it.

    Raises:
        UsageError: a file or dataset is there; it holds a run (without `resume`) or none (with it).
        AugcliError: another training is at work there, or the folder can't be made.
    """
    with contextlib.ExitStack() as stack:
        with _told(run):
            _check_place(run)
            if resume:
                _check_run(run, resume)
            run.folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(_locked(run))
            _check_run(run, resume)
            for leftover in run.folder.glob(".*.tmp"):  # of a run that was killed
                leftover.unlink(missing_ok=True)
        yield


def numbered_runs() -> list[Path]:
    """The folders that were numbered, oldest first."""
    if not DEFAULT_RUNS.is_dir():
        return []
    runs = [path for path in DEFAULT_RUNS.iterdir() if _NUMBERED.fullmatch(path.name)]
    return sorted(runs, key=_number)


def _number(folder: Path) -> int:
    return int(folder.name.partition("-")[0])


def _newest_run() -> Path:
    runs = [folder for folder in numbered_runs() if RunFolder(folder).last.exists()]
    if not runs:
        raise UsageError(f"--resume: no run in {DEFAULT_RUNS}; name one with --out")
    return runs[-1]


def _claim_number(source: str) -> Path:
    """Make the folder of the next number; of several processes, each gets another number."""
    number = max(map(_number, numbered_runs()), default=0)
    while True:
        number += 1
        folder = DEFAULT_RUNS / f"{number:03d}-{source}"
        with _told(RunFolder(folder)):
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            if [_number(run) for run in numbered_runs()].count(number) == 1:
                return folder
            folder.rmdir()  # a training from another source wants it too: both take another


def _check_place(run: RunFolder) -> None:
    if run.folder.exists() and not run.folder.is_dir():
        raise UsageError(f"--out {run.folder}: is a file; expected a folder, or a new name")
    for mark in _DATASET_MARKS:
        if (run.folder / mark).exists():
            raise UsageError(
                f"--out {run.folder}: is an expanded dataset (it holds {mark}); a run needs a "
                "folder of its own: choose another --out"
            )


def _check_run(run: RunFolder, resume: bool) -> None:
    if resume and not run.last.exists():
        raise UsageError(f"{run.folder}: no run to resume here (no {run.last.name})")
    if not resume and run.holds_run():
        raise UsageError(
            f"{run.folder} already holds a run: continue it with --resume, or choose another --out"
        )


def _locked(run: RunFolder) -> contextlib.AbstractContextManager[None]:
    return exclusive_lock(
        run.folder,
        f"{run.folder}: another training is at work there: wait for it, or choose another --out",
    )


@contextlib.contextmanager
def _told(run: RunFolder) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise AugcliError(
            f"--out {run.folder}: can't be used: {error.strerror}; choose another --out"
        ) from error
