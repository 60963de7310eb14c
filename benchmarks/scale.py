"""Does all that one process does for a dataset stay fast when there are 10 million images?

    python benchmarks/scale.py [--images 10000 100000 1000000] [--copies 5]
    python benchmarks/scale.py --images 10000000          # half an hour, and 2 GB of memory

What is made for each image (decoding, augmenting, writing) is shared out among workers; planning
and writing the manifest are not, nor is opening a dataset for training. No image is read or made
here: augcli plans for so many made-up images, writes the table and the manifest that it would
write, and opens them as `augcli train` does. Each number of images has a process of its own, and
another one for opening; the peak memory of each after each step is shown.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from side_by_side.machine import memory_bytes

from augcli.augment import ExpandConfig, expand
from augcli.augment.plan import Plan, Task, make_plan
from augcli.augment.totals import Totals
from augcli.manifests.balance import balanced
from augcli.manifests.hashing import sha256_file
from augcli.manifests.keys import sample_key
from augcli.manifests.manifest import (
    MANIFEST_FILE,
    SAMPLES_FILE,
    FileRecord,
    Manifest,
    ShardRecord,
    SplitRecord,
    read_manifest,
)
from augcli.manifests.reference import Reference
from augcli.manifests.rounds import copies_of_round
from augcli.manifests.sample_list import SPLITS, Sample, Samples
from augcli.manifests.samples import Columns, ViewRow, columns_of, write_samples
from augcli.manifests.splits import resolve_fractions, split_of
from augcli.train.stored_samples import StoredSamples
from augcli.train.stored_views import StoredViews

CLASSES = 1000
VIEW_BYTES = 5000
APPLIED = json.dumps([["HorizontalFlip", {}], ["Affine", {"rotate": 7.25, "scale": 1.0625}]])


@dataclass(frozen=True)
class Step:
    """What took how long, and the process' peak memory by its end, in bytes."""

    name: str
    seconds: float
    peak_bytes: int


class Steps:
    """Takes the time."""

    def __init__(self) -> None:
        self.done: list[Step] = []
        self._began = time.perf_counter()

    def end(self, name: str) -> None:
        """A step ends, and the next begins."""
        self.done.append(Step(name, time.perf_counter() - self._began, peak_bytes()))
        self._began = time.perf_counter()


def peak_bytes() -> int:
    """The most memory that this process had (Linux); `getrusage` would count its parent's too."""
    found = memory_bytes("self", "status", "VmHWM:")
    assert found
    return found


def made_up(images: int) -> Reference:
    """So many images, in `CLASSES` class folders."""
    fractions = resolve_fractions(frozenset(), None, None)

    def samples() -> Iterator[Sample]:
        by_class = ((label, n) for label in range(CLASSES) for n in range(label, images, CLASSES))
        for label, number in by_class:  # sorted by source
            source = f"class-{label:04d}/photograph-{number:08d}.jpg"
            key = sample_key(source)
            yield Sample(key, source, split_of(key, *fractions), label)

    classes = tuple(f"class-{label:04d}" for label in range(CLASSES))
    return Reference("made-up", "", Path("/made-up"), classes, Samples.of(samples()))


def records(task: Task) -> tuple[tuple[ShardRecord, ...], Columns]:
    """What a task would record."""
    rows, shards = [], []
    for shard in task.shards:
        for number, sample in enumerate(task.samples):
            digest = hashlib.sha256(sample.key.encode()).hexdigest()
            [copy] = copies_of_round(shard.round, 1, True)
            own = (sample.key, sample.source, digest, task.split, "class", sample.label)
            seed = digest[: 32 if copy else 0] or "0" * 32
            place = (shard.name, number * VIEW_BYTES, VIEW_BYTES, number)
            rows.append(ViewRow(*own, copy, shard.round, seed, *place, APPLIED if copy else "[]"))
        size = len(task.samples) * VIEW_BYTES
        shards.append(
            ShardRecord(
                shard.name, task.split, shard.round, task.chunk, len(task.samples), size, digest
            )
        )
    return tuple(shards), columns_of(rows)


def write(folder: Path, plan: Plan, base: Manifest) -> None:
    """The table of views, and the manifest."""
    totals = Totals(CLASSES)

    def groups() -> Iterator[Columns]:
        for task in plan.tasks:
            shards, columns = records(task)
            totals.add(shards, columns)
            yield columns

    path = folder / SAMPLES_FILE
    rows = write_samples(path, groups())
    splits = {
        split: SplitRecord(
            sum(totals.samples[split]),
            totals.views[split],
            tuple(totals.samples[split]),
            tuple(totals.first_round[split]),
        )
        for split in SPLITS
    }
    replace(
        base,
        classes=tuple(f"class-{label:04d}" for label in range(CLASSES)),
        repeats=base.repeats[:1] * CLASSES,
        rounds=plan.rounds,
        splits=splits,
        samples=FileRecord(SAMPLES_FILE, rows, sha256_file(path)),
        shards=tuple(totals.shards),
    ).write(folder)


def simulate(images: int, copies: int) -> list[Step]:
    """Plan, write and open."""
    with tempfile.TemporaryDirectory(prefix="augcli-scale-") as name:
        folder = Path(name)
        expand(ExpandConfig(out=folder / "real", copies=0, size=8, codec="npy"))
        base = read_manifest(folder / "real")
        steps = Steps()
        steps.end("(imports)")
        reference = made_up(images)
        steps.end("list")
        repeats = balanced(reference, "none")
        plan = make_plan(reference, copies=copies, originals=True, repeats=repeats)
        reference.fingerprint()
        steps.end("plan")
        write(folder, plan, base)
        steps.end("write")
        opening = in_process("--open", str(folder))
        sizes = (folder / SAMPLES_FILE).stat().st_size, (folder / MANIFEST_FILE).stat().st_size
        print(f"{images} images: table {sizes[0]}, manifest {sizes[1]} bytes", file=sys.stderr)
        return [*steps.done, *opening]


def opened(folder: Path) -> list[Step]:
    """Open what was written."""
    steps = Steps()
    manifest = read_manifest(folder)
    views = StoredViews(folder, manifest, StoredSamples(folder, manifest), "train")
    assert len(views.samples.ids) == manifest.splits["train"].samples
    steps.end("open")
    return steps.done


def in_process(*arguments: str) -> list[Step]:
    """What this script measures in a process of its own."""
    command = [sys.executable, __file__, *arguments]
    result = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return [Step(**step) for step in json.loads(result.stdout)]


def main() -> None:
    """Measure as the command line says, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--copies", type=int, default=5)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--open", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one or given.open:
        steps = opened(given.open) if given.open else simulate(given.images[0], given.copies)
        print(json.dumps([asdict(step) for step in steps]))
        return
    print("| images | step | seconds | µs an image | peak MB |\n|---:|---|---:|---:|---:|")
    for images in given.images:
        for step in in_process("--one", "--images", str(images), "--copies", str(given.copies)):
            own = step.seconds / images * 1e6
            print(
                f"| {images:,} | {step.name} | {step.seconds:.1f} | {own:.1f} | "
                f"{step.peak_bytes / 1e6:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
