"""Broken shards made again from their images, each put in its place only when it is byte for byte
what the manifest records.

They are made in a folder of their own below `.work`, one chunk at a time. Killed at any instant, a
shard is as broken as before or whole.
"""

from __future__ import annotations

import contextlib
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from augcli.augment.dataset_folder import LOCK_FILE, changed_images
from augcli.augment.engines import default_workers, run_tasks
from augcli.augment.plan import MAX_ROUNDS, RoundShard, Task
from augcli.augment.reference_data import find_root
from augcli.augment.remaking import manifest_recipe, other_versions
from augcli.augment.task import Job, read_record, run_task
from augcli.augment.views import Recipe
from augcli.manifests.errors import AugcliError
from augcli.manifests.files import exclusive_lock, publish
from augcli.manifests.hashing import sha256_if_readable
from augcli.manifests.manifest import (
    IDENTITY_FILE,
    SAMPLES_FILE,
    SHARDS_FOLDER,
    WORK_FOLDER,
    Manifest,
    ShardRecord,
    read_manifest,
)
from augcli.manifests.sample_list import Sample, Samples
from augcli.manifests.samples_file import SamplesFile
from augcli.shards.row_faults import row_faults
from augcli.shards.shard_rows import Rows, ShardAndRows, portions, shard_rows

STAGING = "repair.tmp"  # an expansion clears away what ends so

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Repaired:
    """The shards that are whole again, and why others are not: name -> reason."""

    whole: tuple[str, ...]
    unmended: Mapping[str, str]


def repair(
    dataset: Path,
    broken: Sequence[str],
    data: str | None,
    workers: int | None,
    report: Report | None = None,
) -> Repaired:
    """Make the shards `broken` of a finished dataset again from its images.

    `data` says where those are, as for an expansion; None: where they were.

    Raises:
        AugcliError: no record to make them by, the images can't be found, an expansion or another
            repair is at work, or a file can't be written.
    """
    work = dataset / WORK_FOLDER
    with _told(dataset):
        work.mkdir(exist_ok=True)
        busy = f"{dataset}: an expansion or a repair is at work there; wait, then run it again"
        with exclusive_lock(work / LOCK_FILE, busy), _staging(work) as staging:
            return _repaired(dataset, staging, broken, data, workers, report)


def make_folders(dataset: Path, places: Sequence[str]) -> None:
    """Make folders of a dataset again.

    Raises:
        AugcliError: one can't be made.
    """
    with _told(dataset):
        for place in places:
            (dataset / place).mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def _told(dataset: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or dataset
        raise AugcliError(f"{where}: {error.strerror or error}; mend that, run it again") from error


@contextlib.contextmanager
def _staging(work: Path) -> Iterator[Path]:
    """An empty dataset folder below `work`; afterwards only what an expansion began stays."""
    staging = work / STAGING
    shutil.rmtree(staging, ignore_errors=True)
    (staging / WORK_FOLDER).mkdir(parents=True)
    (staging / SHARDS_FOLDER).mkdir()
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if not (work / IDENTITY_FILE).exists():
            shutil.rmtree(work, ignore_errors=True)


def _repaired(
    dataset: Path,
    staging: Path,
    broken: Sequence[str],
    data: str | None,
    workers: int | None,
    report: Report | None,
) -> Repaired:
    manifest = read_manifest(dataset)
    _check_table(dataset / SAMPLES_FILE, manifest)
    wanted = frozenset(broken)
    root = find_root(manifest.reference, data)
    job = _job(manifest, manifest_recipe(manifest, dataset), staging, root)
    mend = _Mend(job, dataset, other_versions(manifest))
    reasons: dict[str, str] = {}
    with closing(SamplesFile(dataset / SAMPLES_FILE)) as table:
        shards = (those for those in shard_rows(manifest, table) if those[0].name in wanted)
        for some in portions(shards):
            damages = list(_damages(manifest, some))
            for result in run_tasks(mend, damages, workers or default_workers()):
                reasons |= result
                if report is not None:
                    report(len(reasons), len(broken))
    return Repaired(
        tuple(name for name in broken if reasons.get(name) == ""),
        {name: reasons[name] for name in broken if reasons.get(name)},
    )


def _check_table(path: Path, manifest: Manifest) -> None:
    """Refuse a table that can't say what shards are made of, as it isn't the manifest's."""
    what = "its bytes are not those that the manifest records"
    if sha256_if_readable(path) == manifest.samples.sha256:
        with closing(SamplesFile(path)) as table:
            fault = next(row_faults(manifest, table), None)
        if fault is None:
            return
        what = f"contradicts the manifest ({fault.where}: {fault.what})"
    raise AugcliError(
        f"{path}: {what}, and shards can't be made again without it: give the command that "
        "expanded it once more"
    )


def _job(manifest: Manifest, recipe: Recipe, staging: Path, root: Path) -> Job:
    """The job that made the dataset, now for another folder."""
    options = manifest.options
    return Job(
        dataset=staging,
        root=root,
        classes=manifest.classes,
        recipe=recipe,
        codec=str(options["codec"]),
        quality=int(options["quality"] or 0),
        originals=manifest.originals,
        format=str(options["format"]),
        fail_on_error=True,
    )


@dataclass(frozen=True)
class _Damage:
    """The broken shards of a chunk: a task to make them, and the record and rows of each."""

    task: Task
    shards: tuple[ShardAndRows, ...]

    @property
    def sources(self) -> dict[str, str]:
        """The images that it needs, with the SHA-256 of each."""
        return {row.source: row.source_sha256 for _, rows in self.shards for row in rows}


def _damages(manifest: Manifest, broken: Iterable[ShardAndRows]) -> Iterator[_Damage]:
    """By chunk, as every image is decoded once for all its views."""
    chunks: defaultdict[tuple[Sample, ...], list[ShardAndRows]] = defaultdict(list)
    for shard, rows in broken:
        found = dict.fromkeys(Sample(r.key, r.source, r.split, r.label) for r in rows)
        chunks[tuple(found)].append((shard, rows))
    for samples, shards in chunks.items():
        for first in range(0, len(shards), MAX_ROUNDS):
            part = tuple(shards[first : first + MAX_ROUNDS])
            yield _Damage(_task(manifest, samples, [shard for shard, _ in part]), part)


def _task(manifest: Manifest, samples: Sequence[Sample], shards: Sequence[ShardRecord]) -> Task:
    split, repeats = shards[0].split, manifest.repeats
    often = (repeats[s.label].of(s.key) if split == "train" else 1 for s in samples)
    rounds = tuple(RoundShard(shard.name, shard.round) for shard in shards)
    return Task(split, shards[0].chunk, Samples.of(samples), tuple(often), rounds)


@dataclass(frozen=True)
class _Mend:
    """Makes a chunk's broken shards and publishes them, in a form that can be sent to workers."""

    job: Job
    dataset: Path
    versions: Sequence[str]
    """Of which libraries another version is installed than made the dataset."""

    def __call__(self, damage: _Damage) -> dict[str, str]:
        """Of each shard, why it is still broken, or ''."""
        names = [shard.name for shard, _ in damage.shards]
        if amiss := changed_images(self.job.root, damage.sources):
            more = f", and {len(amiss) - 1} more" if len(amiss) > 1 else ""
            return dict.fromkeys(names, f"an image of it is not what it was: {amiss[0]}{more}")
        try:
            run_task(self.job, damage.task)
        except AugcliError as error:
            return dict.fromkeys(names, str(error))
        record = read_record(self.job.record_path(damage.task))
        made = {shard.name: shard.sha256 for shard in record.shards} if record else {}
        reasons = {}
        for shard, rows in damage.shards:
            is_same = made.get(shard.name) == shard.sha256
            reasons[shard.name] = "" if is_same else self._why_other()
            if is_same:
                self._publish(shard, rows)
        return reasons

    def _why_other(self) -> str:
        because = f": installed are other versions ({', '.join(self.versions)})"
        return "made again it is not what was published" + (because if self.versions else "")

    def _publish(self, shard: ShardRecord, rows: Rows) -> None:
        is_tar = self.job.format == "tar"
        for place in [f"{SHARDS_FOLDER}/{shard.name}"] if is_tar else [row.shard for row in rows]:
            final = self.dataset / place
            final.parent.mkdir(parents=True, exist_ok=True)
            publish(self.job.dataset / place, final)
