"""Is a policy of the domain better? Policies cross-validated on all images of a small set.

    python benchmarks/domains.py --data galaxies --policies none,top-down [--folds 5] [--seeds 2]

A test set of a hundred images hides differences below ten points. So the images are cut into
`--folds` parts, by class and by a hash of their names; each part is tested once, by models that are
trained on the others with each policy, on the fly and from the same initial weights, `--seeds`
times. Nothing is chosen on the way: the last epoch's weights count. The first of `--policies` is
what the others are compared with, on the same images and seeds, by the corrected resampled t-test
of Nadeau and Bengio 2003 (Machine Learning 52, 239-281): trainings on folds share most of their
images, so that differences from fold to fold say less than as many independent ones would.

What is finished is kept in `--out`. The report goes to stdout as Markdown, progress to stderr.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import itertools
import math
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from side_by_side.alternation import say
from side_by_side.work import IMAGE_EXTENSIONS

if TYPE_CHECKING:
    from augcli.train.comparisons.statistics import Interval

Recognised = list[list[npt.NDArray[np.bool_]]]
"""By seed and fold, which of the fold's test images were recognised (images,)."""


@dataclass(frozen=True)
class One:
    """A training: of which policy, with which seed, to be tested on which part."""

    policy: str
    seed: int
    fold: int
    shards: Path
    kept: Path


def main() -> None:
    """Measure, and print the report."""
    options = _arguments()
    policies = options.policies.split(",")
    with tempfile.TemporaryDirectory() as scratch:
        shards = list(_expanded(options, Path(scratch)))
        wanted = [
            One(policy, seed, fold, shards[fold], _kept(options.out, policy, seed, fold))
            for seed, fold, policy in itertools.product(
                range(options.seeds), range(options.folds), policies
            )
        ]
        _train_all([one for one in wanted if not one.kept.exists()], options)
    print(report({policy: _recognised(options, policy) for policy in policies}, options))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="a folder of folders of images")
    parser.add_argument("--policies", required=True, help="presets or files, the baseline first")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--size", type=int, default=48, help="pixels")
    parser.add_argument("--parallel", type=int, default=os.cpu_count(), help="trainings at a time")
    parser.add_argument("--out", type=Path, required=True, help="folder of what is finished")
    given = parser.parse_args()
    if given.folds < 2:
        parser.error("--folds: at least 2, of which one is tested and the others are trained on")
    return given


def _expanded(options: argparse.Namespace, scratch: Path) -> Iterator[Path]:
    """The images of each fold as they are read for training: parts, one of which is for tests."""
    from augcli.augment.config import ExpandConfig
    from augcli.augment.expansion import expand

    images = scratch / "images"
    shutil.copytree(options.data, images)
    rows = list(_rows(images, options.folds))
    for fold in range(options.folds):
        table = images / f"fold-{fold}.csv"
        with table.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("path", "label", "split"))
            for path, label, part in rows:
                writer.writerow((path, label, "test" if part == fold else "train"))
        shards = scratch / f"fold-{fold}"
        expand(ExpandConfig(data=str(table), out=shards, size=options.size, copies=0, codec="npy"))
        yield shards


def _rows(images: Path, folds: int) -> Iterator[tuple[str, str, int]]:
    """Path, class and part of every image; parts have equally many of each class, but for one."""
    by_class: dict[str, list[str]] = {}
    for path in images.rglob("*"):
        if path.suffix.lower() in IMAGE_EXTENSIONS:
            name = path.relative_to(images).as_posix()
            by_class.setdefault(path.parent.name, []).append(name)
    for label, names in sorted(by_class.items()):
        names.sort(key=lambda name: hashlib.sha256(name.encode()).digest())
        for place, name in enumerate(names):
            yield name, label, place % folds


def _kept(out: Path, policy: str, seed: int, fold: int) -> Path:
    return out / f"{Path(policy).stem}-{seed}-{fold}.npy"


def _train_all(wanted: Sequence[One], options: argparse.Namespace) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    threads = max(1, (os.cpu_count() or 1) // options.parallel)
    os.environ["OMP_NUM_THREADS"] = str(threads)  # read once, when the new processes import torch
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.parallel, mp_context=spawn) as pool:
        running = [pool.submit(_train, one, options.epochs) for one in wanted]
        for number, done in enumerate(as_completed(running), start=1):
            say(f"{number} of {len(running)}: {done.result()}")


def _train(one: One, epochs: int) -> str:
    """Train, and keep which test images were recognised."""
    from augcli.train.config import TrainConfig
    from augcli.train.evaluation.predictions import predictions_of
    from augcli.train.run import train

    with tempfile.TemporaryDirectory() as folder:
        config = TrainConfig(
            source="on-the-fly", shards=str(one.shards), policy=one.policy, residual="none",
            sizes="none", epochs=epochs, seed=one.seed, workers=0, out=Path(folder) / "run",
        )  # fmt: skip
        train(config)
        found = predictions_of(config.out, config, "test")
    with one.kept.open("wb") as file:
        np.save(file, found.right)
    return f"{one.policy}, seed {one.seed}, part {one.fold}: {found.right.mean():.1%}"


def _recognised(options: argparse.Namespace, policy: str) -> Recognised:
    """Of each seed and fold, which test images were recognised."""
    return [
        [np.load(_kept(options.out, policy, seed, fold)) for fold in range(options.folds)]
        for seed in range(options.seeds)
    ]


def report(found: dict[str, Recognised], options: argparse.Namespace) -> str:
    """Accuracies, and differences to the first policy with 95 % intervals, as Markdown."""
    first, *others = found
    images = sum(map(len, found[first][0]))
    lines = [
        f"{images} images of `{options.data.name}` in {options.folds} parts, {options.seeds} "
        f"seeds, {options.size} pixels, {options.epochs} epochs.",
        "",
        f"| policy | accuracy, % | by seed, % | against {first}, points |",
        "|---|---:|---:|---:|",
    ]
    for policy, of_seeds in found.items():
        by_seed = [100 * float(np.concatenate(folds).mean()) for folds in of_seeds]
        told = ""
        if policy in others:
            difference = corrected(accuracies(of_seeds) - accuracies(found[first]))
            told = f"{difference.mean:+.1f} ({difference.low:+.1f} to {difference.high:+.1f})"
        lines.append(
            f"| {Path(policy).stem} | {np.mean(by_seed):.1f} | "
            f"{' '.join(f'{value:.1f}' for value in by_seed)} | {told} |"
        )
    return "\n".join(lines)


def accuracies(found: Recognised) -> npt.NDArray[np.float64]:
    """In percent (seeds, folds)."""
    return np.array([[100 * fold.mean() for fold in folds] for folds in found])


def corrected(differences: npt.NDArray[np.float64]) -> Interval:
    """Nadeau and Bengio's interval of the mean of `differences` (seeds, folds)."""
    from augcli.train.comparisons.statistics import Interval, interval

    plain = interval(differences.ravel().tolist())
    assert plain.half_width is not None, "several folds or seeds"
    tested_of_trained = 1 / (differences.shape[1] - 1)
    wider = math.sqrt(1 + differences.size * tested_of_trained)
    return Interval(plain.mean, plain.half_width * wider)


if __name__ == "__main__":
    main()
