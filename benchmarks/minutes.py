"""How accurate is an image classifier after some minutes of training, from scratch, on a CPU?

    python benchmarks/minutes.py --data DIR

augcli, by `augcli train --budget`, from stored rounds and on the fly, beside fastai, torchvision's
reference recipe and timm's training script, each as its makers recommend, at the same size and on
the same cores. Each training is a process of its own; trainers take turns, seed by seed. Those
whose schedule must know its epochs time their steps first, and plan as many as fit. Trainers that
are not installed are named; `pip install -r benchmarks/peers.txt` brings them. augcli's options
are in side_by_side/minutes/trainers/own_recipe.py.

The report goes to stdout as Markdown, progress to stderr. Ctrl-C ends with the report of what was
finished.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace

from side_by_side.alternation import Alternation, say
from side_by_side.arguments import add_shared, count, names_of
from side_by_side.machine import cores, describe, load
from side_by_side.minutes.report import Results, markdown
from side_by_side.minutes.running import MinutesRun, expand, here, train
from side_by_side.minutes.trainers import OWN, STORED, TRAINERS
from side_by_side.minutes.work import MinutesWork, count_images


class Comparison(Alternation[MinutesRun]):
    """The trainings as they come in."""

    def __init__(
        self,
        names: Sequence[str],
        work: MinutesWork,
        images: dict[str, int],
        timeout_seconds: float,
    ) -> None:
        super().__init__(names)
        self.expansion_seconds: float | None = None
        self._work = work
        self._images = images
        self._timeout_seconds = timeout_seconds

    def expand(self) -> None:
        """Store the rounds that are trained from, if they are."""
        if STORED in self.runs:
            say("augcli expand")
            self.expansion_seconds = self.attempt(
                STORED, lambda: expand(self._work, self._timeout_seconds)
            )

    def round(self, number: int, rounds: int) -> None:
        """The trainings of one seed."""
        self._work = replace(self._work, seed=number)
        super().round(number, rounds)

    def run(self, name: str) -> MinutesRun:
        """One training."""
        return train(name, self._work, self._images, self._timeout_seconds)

    def about(self, run: MinutesRun) -> str:
        """Its accuracy, and how far it came."""
        found = run.outcome
        return (
            f"{found.both.plain / found.both.images:.1%} on validation and test images, "
            f"{found.epochs} epochs in {found.seconds:.0f} s, {found.images_per_second:,.0f} "
            f"images/s, {run.used.seconds:.0f} s in all" + (f", {found.note}" if found.note else "")
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison; 1 when augcli failed."""
    options = parser().parse_args(arguments)
    data = options.data.resolve()
    try:
        images = count_images(data)
    except ValueError as error:
        print(f"--data {options.data}: {error}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="augcli-minutes-", dir=options.tmp) as folder:
        work = MinutesWork(str(data), folder, options.size, options.minutes, options.workers)
        results = compare(options, work, images)
    if not results.rows():
        return 1
    print(markdown(results), end="")
    if options.json:
        content = json.dumps(results.to_json(), indent=1)
        options.json.write_text(content + "\n", encoding="utf-8")
    return 1 if set(OWN) & set(results.left_out) else 0


def compare(options: argparse.Namespace, work: MinutesWork, images: dict[str, int]) -> Results:
    """Expand, then train, seed by seed."""
    load_before = load()
    names, left_out = here(options.only)
    for name, why in left_out.items():
        say(f"left out: {name}: {why}")
    comparison = Comparison(names, work, images, options.timeout)
    comparison.left_out |= left_out
    try:
        comparison.expand()
        for seed in range(options.seeds):
            comparison.round(seed, options.seeds)
    except KeyboardInterrupt:
        say("interrupted: the report is of the trainings that were finished")
    return Results(
        work=work,
        images=images,
        seeds=options.seeds,
        runs=comparison.runs,
        left_out=comparison.left_out,
        expansion_seconds=comparison.expansion_seconds,
        machine=describe(),
        load_before=load_before,
    )


def parser() -> argparse.ArgumentParser:
    """The options."""
    result = argparse.ArgumentParser(
        description="Accuracy after some minutes of training, of augcli and of other trainers.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add_shared(result, data="folder with train/, validation/ and test/, each a folder per class")
    add = result.add_argument
    add("--minutes", type=minutes, default=6.0, help="of each training")
    add("--size", type=count, default=96, help="pixels of an image's side")
    add("--seeds", type=count, default=3, help="trainings of each, with seeds from 0")
    add("--workers", type=count, default=cores(), help="loader workers of the others")
    add("--only", type=names_of(TRAINERS), default=list(TRAINERS), help=f"of {','.join(TRAINERS)}")
    return result


def minutes(text: str) -> float:
    """A time of at least a second."""
    value = float(text)
    if not 1 / 60 <= value < float("inf"):
        raise argparse.ArgumentTypeError("at least a second, which is 1/60")
    return value


if __name__ == "__main__":
    sys.exit(main())
