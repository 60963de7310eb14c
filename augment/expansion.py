"""`augcli expand`: from a reference dataset to shards, samples, failures, card and manifest."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from augcli.augment.config import ExpandConfig
from augcli.augment.encode import CODECS
from augcli.augment.engines import default_workers, run_tasks
from augcli.augment.estimate import Estimate, check_space, estimate
from augcli.augment.expand_result import ExpandResult
from augcli.augment.finish import finish
from augcli.augment.plan import Task
from augcli.augment.preparing import Prepared, Tell, prepare
from augcli.augment.task import Job, TaskSummary, run_task
from augcli.manifests.cache import remember_root
from augcli.manifests.errors import AugcliError
from augcli.manifests.manifest import read_manifest
from augcli.manifests.settings import check_settings
from augcli.shards.file_faults import lost_files

__all__ = ["ExpandResult", "Progress", "expand"]

Report = Callable[["Progress"], None]


@dataclass(frozen=True)
class Progress:
    """How far an expansion is: counts of views and images, bytes read and written, failures.

    What an earlier run had finished is in `views_done`, and in nothing else.
    """

    views_done: int
    views_planned: int
    images: int
    failures: int
    bytes_read: int
    bytes_written: int


def expand(
    config: ExpandConfig, report: Report | None = None, tell: Tell | None = None
) -> ExpandResult:
    """Expand a reference dataset; rerunning finishes an interrupted expansion, or adds to one.

    More copies make more rounds and new images more chunks; what is there stays as it is. `tell`
    hears, a line at a time, what the user may want to mend before hours of work.

    Raises:
        UsageError: a bad option, policy or dataset, or a target folder that holds other things.
        AugcliError: no usable images, an unusable one under `on_error="fail"`, a rerun with other
            options, sources or library versions, too little room, or a file that can't be written.
    """
    started = time.perf_counter()
    prepared = prepare(check_settings(config), tell)
    codecs = [config.codec, *(name for name in CODECS if name != config.codec)]
    wanted = estimate(prepared.job, prepared.missing, codecs if config.dry_run else codecs[:1])
    made = 0
    if not config.dry_run:
        made = _make(prepared, wanted, report)
        remember_root(prepared.identity.fingerprint, prepared.reference.root)
    return ExpandResult(
        prepared=prepared,
        estimate=wanted,
        manifest=None if config.dry_run else read_manifest(config.out),
        seconds=time.perf_counter() - started,
        views_made=made,
        worker_bytes=_worker_bytes(),
    )


def _make(prepared: Prepared, wanted: Estimate | None, report: Report | None) -> int:
    """Make what isn't there yet; the number of views made."""
    _refuse_failures(prepared)
    if _is_complete(prepared):
        return 0
    folder, config = prepared.folder, prepared.config
    if wanted is not None and not folder.is_begun:
        check_space(config.out, wanted, wanted.views)
    with folder.open(prepared.identity):
        tasks = folder.unfinished(prepared.job, prepared.missing, refresh=config.refresh)
        if wanted is not None:
            check_space(config.out, wanted, sum(task.views for task in tasks))
        if prepared.withdrawn:
            folder.withdraw()
        made = _run(prepared, tasks, report)
        finish(prepared)
    return made


def _refuse_failures(prepared: Prepared) -> None:
    if prepared.config.on_error == "fail" and prepared.failed_before:
        first = prepared.failed_before[0]
        raise AugcliError(
            f"{prepared.reference.root / first.source}: {first.reason}; the dataset was made "
            "without it: mend it and run again with --retry-failed"
        )


def _is_complete(prepared: Prepared) -> bool:
    """Whether there is nothing to do; then nothing is written, not even a lock."""
    earlier, changes = prepared.earlier, prepared.changes
    if earlier is None or changes is None or prepared.folder.is_begun or prepared.missing:
        return False
    same = earlier.manifest.reference.fingerprint == prepared.identity.fingerprint
    return same and not any(lost_files(prepared.config.out, earlier.manifest))


def _run(prepared: Prepared, tasks: Sequence[Task], report: Report | None) -> int:
    """Run the unfinished tasks, the largest first; the number of views made."""
    workers = prepared.config.workers or default_workers()
    done = prepared.plan.views - sum(task.views for task in tasks)
    ordered = sorted(tasks, key=lambda task: task.views, reverse=True)
    results = run_tasks(_JobRunner(prepared.job), ordered, workers)
    images = views = failures = read = written = 0
    with contextlib.closing(results):  # an interruption anywhere here ends the workers
        if report is not None:
            report(Progress(done, prepared.plan.views, 0, 0, 0, 0))
        for summary in results:
            images += summary.images
            views += summary.views
            failures += summary.failures
            read += summary.bytes_read
            written += summary.bytes_written
            if report is not None:
                planned = prepared.plan.views
                report(Progress(done + views, planned, images, failures, read, written))
    return views


@dataclass(frozen=True)
class _JobRunner:
    """`run_task` of one job, in a form that can be sent to workers."""

    job: Job

    def __call__(self, task: Task) -> TaskSummary:
        return run_task(self.job, task)


def _worker_bytes() -> int | None:
    """The most memory that any worker process held so far, in bytes; None where it isn't known."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
