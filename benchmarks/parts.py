"""Which part of `augcli train`'s default recipe brings what? Each left out, at equal time.

    python benchmarks/parts.py --data photos [--minutes 2 | --epochs 12] [--seeds 2]

Trains on the fly by the clock, as `minutes.py` does, or for equally many epochs, which a busy
machine does not change; with the recipe as it is and with one part of it changed. Settings take
turns, seed by seed, each in a process of its own, with the same initial weights and order of
samples. Accuracy is that of the last weights on validation and test images together, by plain view
and mirror image; the difference to the whole recipe is over the seeds that both have. What a part
costs in time shows in the epochs, or in the seconds.

The report goes to stdout as Markdown, progress to stderr. Ctrl-C ends with the report of what was
finished.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from side_by_side.alternation import say
from side_by_side.arguments import add_shared, count, names_of
from side_by_side.machine import describe
from side_by_side.minutes.outcome import Outcome
from side_by_side.minutes.trainers.own_recipe import run
from side_by_side.minutes.work import MinutesWork

from augcli.train.comparisons.statistics import paired_difference
from augcli.train.comparisons.wording import percent, with_bounds

WHOLE = "whole"
RESIDUAL = "flip,affine,colour,erase=0.5"
"""What `--residual auto` does after the default policy, in runs that are not short."""
PARTS: dict[str, tuple[str, tuple[str, ...]]] = {
    WHOLE: ("the recipe as it is", ()),
    "muon": ("AdamW for all weights", ("--opt", "adamw")),
    "sizes": ("the last size from the start", ("--sizes", "{size}")),
    "residual": ("no fresh transforms of batches", ("--residual", "none")),
    "policy": ("no augmentation by the policy", ("--policy", "none")),
    "augmentation": ("neither of both", ("--policy", "none", "--residual", "none")),
    "smoothing": ("labels as they are", ("--label-smoothing", "0")),
    "linear": ("cosine for the linear fall", ("--sched", "cosine")),
    "memory": ("images decoded in every epoch", ("--memory", "0")),
}
"""What is instead of each part, in words and as options; the residual policy is there unless the
options say otherwise."""


@dataclass(frozen=True)
class Trained:
    """One training of a setting."""

    part: str
    seed: int
    outcome: Outcome

    @property
    def accuracy(self) -> float:
        """By plain view and mirror image, 0..1."""
        both = self.outcome.both
        return both.flip / both.images


def main() -> None:
    """Measure, and print the report."""
    options = parser().parse_args()
    done: list[Trained] = []
    try:
        for seed in range(options.seeds):
            for part in options.parts:
                done.append(trained(options, part, seed))
                found = done[-1]
                say(f"seed {seed}, {part}: {found.accuracy:.1%}, {found.outcome.epochs} epochs")
    except KeyboardInterrupt:
        say("interrupted: the report is of the trainings that were finished")
    print(report(done, options))
    if options.json:
        content = {"machine": describe(), "trainings": [asdict(found) for found in done]}
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def parser() -> argparse.ArgumentParser:
    """The options."""
    result = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add_shared(result, data="folder with train/, validation/ and test/, each a folder per class")
    add = result.add_argument
    length = result.add_mutually_exclusive_group().add_argument
    length("--minutes", type=float, default=2.0, help="of each training")
    length("--epochs", type=count, help="of each training, instead of minutes")
    add("--size", type=count, default=96, help="pixels of an image's side")
    add("--seeds", type=count, default=2, help="trainings of each, with seeds from 0")
    add("--parts", type=names_of(PARTS, [WHOLE]), default=list(PARTS), help=f"of {','.join(PARTS)}")
    return result


def trained(options: argparse.Namespace, part: str, seed: int) -> Trained:
    """Train, with `part` changed."""
    data = str(options.data.resolve())
    with tempfile.TemporaryDirectory(prefix="augcli-parts-", dir=options.tmp) as folder:
        work = MinutesWork(data, folder, options.size, options.minutes, workers=0, seed=seed)
        work.run.mkdir()
        changed = options_of(part, options.size)
        with (Path(folder) / "train.log").open("w") as log:
            return Trained(part, seed, run(work, "fly", changed, log, options.epochs))


def options_of(part: str, size: int) -> tuple[str, ...]:
    """Of `augcli train`, for images of `size` pixels; of an option given twice the last counts."""
    own = (option.format(size=size) for option in PARTS[part][1])
    return ("--residual", RESIDUAL, *own)


def report(done: list[Trained], options: argparse.Namespace) -> str:
    """Accuracies and epochs of each setting, as Markdown."""
    by_part: dict[str, dict[int, Trained]] = {}
    for found in done:
        by_part.setdefault(found.part, {})[found.seed] = found
    length = f"{options.epochs} epochs" if options.epochs else f"{options.minutes:g} minutes"
    lines = [
        f"{length} each, {options.size} pixels, validation and test images.",
        "",
        "| changed | epochs | seconds | accuracy, % | by seed, % | against the whole, points |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for part, of_seed in by_part.items():
        shared = [seed for seed in of_seed if seed in by_part[WHOLE]]
        accuracies = {seed: found.accuracy for seed, found in of_seed.items()}
        whole = [by_part[WHOLE][seed].accuracy for seed in shared]
        difference = paired_difference([accuracies[seed] for seed in shared], whole)
        epochs = statistics.fmean(found.outcome.epochs for found in of_seed.values())
        seconds = statistics.fmean(found.outcome.seconds for found in of_seed.values())
        mean = percent(statistics.fmean(accuracies.values()))
        lines.append(
            f"| {PARTS[part][0]} | {epochs:.0f} | {seconds:.0f} | {mean} | "
            f"{' '.join(map(percent, accuracies.values()))} | "
            f"{'' if part == WHOLE else with_bounds(difference)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
