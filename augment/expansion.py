"""`augcli expand`: from a reference dataset to shards, samples, failures, card and manifest."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace

from augcli.augment.clusters import connect, run_on
from augcli.augment.config import LOCAL, ExpandConfig
from augcli.augment.dataset_picture import dataset_picture
from augcli.augment.encode import CODECS
from augcli.augment.engines import default_workers, run_tasks
from augcli.augment.estimate import Estimate, check_space, estimate
from augcli.augment.expand_result import ExpandResult
from augcli.augment.finish import finish
from augcli.augment.plan import Task
from augcli.augment.preparing import Prepared, Tell, prepare
from augcli.augment.reference_data import named_by_url
from augcli.augment.task import Job, TaskSummary, run_task
from augcli.manifests.cache import remember_root
from augcli.manifests.errors import AugcliError
from augcli.manifests.manifest import WORK_FOLDER, read_manifest
from augcli.manifests.settings import check_settings

__all__ = ["ExpandResult", "Progress", "expand"]

Report = Callable[["Progress"], None]


@dataclass(frozen=True)
class Progress:
    """How far an expansion is: counts of views and images, bytes read and written, failures.

    What an earlier run had finished is in `views_done`, and in nothing else; `seconds` are since
    the work began.
    """

    views_done: int
    views_planned: int
    views: int = 0
    images: int = 0
    failures: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    seconds: float = 0.0

    def after(self, summary: TaskSummary, seconds: float) -> Progress:
        """One task further."""
        return Progress(
            views_done=self.views_done + summary.views,
            views_planned=self.views_planned,
            views=self.views + summary.views,
            images=self.images + summary.images,
            failures=self.failures + summary.failures,
            bytes_read=self.bytes_read + summary.bytes_read,
            bytes_written=self.bytes_written + summary.bytes_written,
            seconds=seconds,
        )

    def __str__(self) -> str:
        """Rates and failures in a few words."""
        seconds = max(self.seconds, 1e-3)
        return (
            f"{self.images / seconds:,.0f} images/s, {self.views / seconds:,.0f} views/s, "
            f"{self.bytes_written / seconds / 1e6:,.1f} MB/s, {self.failures} failed"
        )


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
    config = check_settings(config)
    prepared = prepare(config, tell)
    codecs = [config.codec, *(name for name in CODECS if name != config.codec)]
    wanted = estimate(prepared.job, prepared.missing, codecs if config.dry_run else codecs[:1])
    made = None
    if not config.dry_run:
        with named_by_url(config.data, prepared.reference.root):
            made = _make(prepared, wanted, report, tell)
        remember_root(prepared.identity.fingerprint, prepared.reference.root)
    return ExpandResult(
        prepared=prepared,
        estimate=wanted,
        manifest=None if config.dry_run else read_manifest(prepared.folder.path),
        seconds=time.perf_counter() - started,
        views_made=made or 0,
        written=made is not None,
        worker_bytes=_worker_bytes() if config.engine == LOCAL else None,
    )


def _make(
    prepared: Prepared, wanted: Estimate | None, report: Report | None, tell: Tell | None
) -> int | None:
    """Make what isn't there yet; the number of views made, None when nothing is to be written."""
    _refuse_failures(prepared)
    if _is_complete(prepared):
        return None
    folder, config = prepared.folder, prepared.config
    if wanted is not None and not folder.is_begun:
        _check_space(prepared, wanted, prepared.missing)
    if tell is not None:
        for name in folder.edited_pages():
            tell(f"edited      {folder.place / name} is not as it was written: it is made anew")
    with folder.open(prepared.identity):
        tasks = folder.unfinished(prepared.job, prepared.missing, refresh=config.refresh)
        if wanted is not None:
            _check_space(prepared, wanted, tasks)
        if prepared.withdrawn:
            folder.withdraw()
        results = _start(prepared, tasks)
        with contextlib.closing(results):  # an interruption anywhere here ends the workers
            picture = dataset_picture(prepared)  # while the workers are at work
            made = _follow(prepared, tasks, results, report)
        finish(prepared, picture)
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
    if earlier.manifest.reference.fingerprint != prepared.identity.fingerprint:
        return False
    untried = Counter(failure for failure in earlier.failures if not failure.tried)
    same = untried == Counter(prepared.reference.skipped)
    return same and prepared.folder.is_whole(earlier.manifest)


def _check_space(prepared: Prepared, wanted: Estimate, tasks: Sequence[Task]) -> None:
    """Refuse what can't fit: of shards that go elsewhere, no more lie here than are being made."""
    folder, views = prepared.folder, sorted((task.views for task in tasks), reverse=True)
    if folder.url:
        views = views[: prepared.config.workers or default_workers()]
    check_space(folder.path, wanted, sum(views), folder.room)


def _start(prepared: Prepared, tasks: Sequence[Task]) -> Generator[TaskSummary, None, None]:
    """Set workers to the tasks, the largest first."""
    config, job = prepared.config, prepared.job
    workers = config.workers or default_workers()
    ordered = sorted(tasks, key=lambda task: task.views, reverse=True)
    if config.engine == LOCAL or not ordered:
        return run_tasks(_JobRunner(job), ordered, workers)
    job = replace(job, root=job.root.absolute(), dataset=job.dataset.absolute())
    cluster = connect(config.engine, workers, config.scheduler or config.address)
    return run_on(cluster, _JobRunner(job), ordered, (job.root, job.dataset / WORK_FOLDER))


def _follow(
    prepared: Prepared,
    tasks: Sequence[Task],
    results: Iterator[TaskSummary],
    report: Report | None,
) -> int:
    """Wait for all results; the number of views made."""
    done = prepared.plan.views - sum(task.views for task in tasks)
    progress = Progress(done, prepared.plan.views)
    started = time.perf_counter()
    if report is not None:
        report(progress)
    for summary in results:
        progress = progress.after(summary, time.perf_counter() - started)
        if report is not None:
            report(progress)
    return progress.views


@dataclass(frozen=True)
class _JobRunner:
    """`run_task` of one job, in a form that can be sent to workers."""

    job: Job

    def __call__(self, task: Task) -> TaskSummary:
        return run_task(self.job, task)


def _worker_bytes() -> int | None:
    """The most memory that any child process held so far, in bytes; None where it isn't known."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
