"""`augcli sweep`: every combination of a space trained, or those that a search picks, compared.

All runs read the same expansions. Each is an ordinary run in a folder of its own, so that a sweep
that is given again goes on where it was, takes over what is there, and adds what is new.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from augcli.manifests.errors import AugcliError, Interrupted, UsageError
from augcli.manifests.files import exclusive_lock
from augcli.manifests.reading import read_json
from augcli.manifests.settings import check_settings, option_name
from augcli.train.command import command_line
from augcli.train.course import check_course
from augcli.train.faults import told
from augcli.train.models import check_model_name
from augcli.train.settling import check_residual
from augcli.train.step import choose_device
from augcli.train.sweeps.config import GRID, StudyConfig
from augcli.train.sweeps.course import Course, train_in_turn
from augcli.train.sweeps.crew import default_jobs, shares, train_side_by_side
from augcli.train.sweeps.datasets import Hear, Tell, check_data, make_datasets, settled
from augcli.train.sweeps.ledger import TRIALS, Ledger
from augcli.train.sweeps.naming import counted
from augcli.train.sweeps.optuna_search import OptunaSearch, check_optuna
from augcli.train.sweeps.reading import parse_space
from augcli.train.sweeps.report import FORMAT, JSON_FILE, write_json, write_report
from augcli.train.sweeps.result import SweepResult
from augcli.train.sweeps.search import GridSearch, Search
from augcli.train.sweeps.space import Space
from augcli.train.world import world_of_environment


def sweep(config: StudyConfig, hear: Hear | None = None, tell: Tell | None = None) -> SweepResult:
    """Train what `config`, a `SweepConfig`, asks for, and write the results into `config.out`.

    `hear` is told what is being done, and how many of how many parts are done; `tell` hears lines
    worth keeping: each training that ended, and what a user may want to know.

    Raises:
        UsageError: a bad option, policy or dataset, or an `out` that holds other things.
        Interrupted: SIGINT or SIGTERM came; what was at work was saved.
        AugcliError: no usable images, none to validate on, another sweep at work in `out`, or a
            file that can't be written. A training that fails is no error but a result.
    """
    config = check_settings(config)
    space = settled(_checked(parse_space(config), config))
    check_data(space, config)
    hear, tell = hear or (lambda what, done, total: None), tell or (lambda line: None)
    with _own_folder(config.out), told(config.out, lambda: "then run the sweep again"):
        return _run(config, space, hear, tell)


def _checked(space: Space, config: StudyConfig) -> Space:
    """`space`, if nothing is wrong with it that can be known before anything is written.

    Raises:
        UsageError: naming the option.
    """
    if world_of_environment().ranks > 1:
        raise UsageError("augcli sweep trains several models by itself: start it without torchrun")
    if space.common.device != "auto":
        choose_device(space.common.device)
    for name in space.options_of("model"):
        check_model_name(str(name))
    for residual in space.options_of("residual"):
        check_residual(None if residual is None else str(residual))
    if config.search == GRID:
        for name in ("trials", "prune"):
            if getattr(config, name) is not None:
                raise UsageError(f"{option_name(name)} goes with --search random or tpe")
        for values in space.grid():
            check_course(space.config(values))
    else:
        check_optuna(config)
    if config.prune is not None and space.options_of("budget") != (None,):
        raise UsageError("--prune judges by epoch: give --epochs instead of --budget")
    return space


@contextlib.contextmanager
def _own_folder(out: Path) -> Iterator[None]:
    """Make `out`, or find a sweep's folder there, and keep other sweeps out of it.

    Raises:
        UsageError: a file is there, or a folder with other things.
        AugcliError: another sweep is at work there, or it can't be made.
    """
    busy = f"--out {out}: another sweep is at work there: wait for it, or choose another --out"
    with contextlib.ExitStack() as stack:
        try:
            if out.exists() and not out.is_dir():
                raise UsageError(f"--out {out}: is a file; expected a folder, or a new name")
            out.mkdir(parents=True, exist_ok=True)
            stack.enter_context(exclusive_lock(out, busy))
            if any(out.iterdir()) and not _is_sweep(out):
                raise UsageError(
                    f"--out {out}: holds other things than a sweep (no {JSON_FILE} of one): "
                    "choose another folder, or a new name"
                )
        except OSError as error:
            raise AugcliError(
                f"--out {out}: can't be used: {error.strerror}; choose another --out"
            ) from error
        yield


def _is_sweep(out: Path) -> bool:
    try:
        content = read_json(out / JSON_FILE)
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("format") == FORMAT


def _run(config: StudyConfig, space: Space, hear: Hear, tell: Tell) -> SweepResult:
    command = command_line("sweep", config)
    if not _is_sweep(config.out):
        write_json(config.out, {"command": command, "whole": False})
    datasets = make_datasets(space, config, hear, tell)
    ledger = Ledger(config.out, datasets)
    seeds = range(space.common.seed, space.common.seed + config.seeds)
    search = _search(config, space, seeds, ledger)
    course = Course(search, ledger, hear, tell, pruned_counts=config.prune is not None)

    def result(*, whole: bool) -> SweepResult:
        ended = tuple(course.ended)
        return SweepResult(config.out, command, space, (*seeds,), ended, course.reused, whole)

    jobs = min(config.jobs or default_jobs(space.common.device), search.total)
    tell(_plan(config, space, search, jobs))
    try:
        _train(course, space, jobs)
    except Interrupted as stopped:
        if course.ended:
            write_report(result(whole=False))
        done = f"{len(course.ended)} of {counted(course.total, 'training')}"
        raise Interrupted(
            f"stopped after {done}; what was at work is saved in {config.out / TRIALS}; "
            f"go on with: {command}",
            stopped.exit_code - 128,
        ) from stopped
    found = result(whole=True)
    write_report(found)
    return found


def _search(config: StudyConfig, space: Space, seeds: range, ledger: Ledger) -> Search:
    if config.search == GRID:
        return GridSearch(space, seeds, ledger)
    return OptunaSearch(space, config, seeds, ledger)


def _train(course: Course, space: Space, jobs: int) -> None:
    if jobs == 1:
        train_in_turn(course)
    else:
        train_side_by_side(course, space.common.device, jobs)


def _plan(config: StudyConfig, space: Space, search: Search, jobs: int) -> str:
    """What will be done, in a line."""
    combinations = counted(search.total // config.seeds, "combination")
    seeds = f" x {config.seeds} seeds" if config.seeds > 1 else ""
    at_a_time = f"{jobs} at a time, {shares(space.common.device, jobs)}" if jobs > 1 else ""
    return f"{combinations}{seeds}, {at_a_time or 'one after another'}"
