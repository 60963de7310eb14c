"""How fast readers give uint8 training batches: augcli's sources beside other loaders.

    python benchmarks/read.py --data DIR

augcli stores one augmented view of each image, as JPEG and as npy shards. Readers of stored views
read these, or what was made of them once in a format of their own; readers that augment on the fly
read the images. Each runs in a process of its own, and they alternate, round by round: a first
epoch in which every view must come once and under its label, then whole epochs for some seconds,
whose batches are counted. What nothing can be faster than, decoding or copying alone, is measured
in the same rounds. Readers that are not installed are named; `benchmarks/README.md` says how to
install them.

The report goes to stdout, progress to stderr.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from side_by_side.alternation import Alternation, say
from side_by_side.arguments import add_shared, count, names_of
from side_by_side.data import choose, find_images, gather, training_folder
from side_by_side.machine import describe, load
from side_by_side.policies import policy_argument
from side_by_side.processes import PeerError
from side_by_side.readers import OWN, READERS
from side_by_side.reading.reference import make_reference
from side_by_side.reading.report import Results, show
from side_by_side.reading.running import (
    ReadRun,
    bounds_of,
    convert,
    expand,
    here,
    kilobytes_per_image,
    read,
    remove_unused,
)
from side_by_side.reading.work import POLICY, ReadWork

WIDTH = 160  # of a report that goes to a file


class Comparison(Alternation[ReadRun]):
    """The runs of readers and of their bounds, as they come in."""

    def __init__(self, names: list[str], work: ReadWork, timeout_seconds: float) -> None:
        super().__init__(names)
        self._work = work
        self._timeout_seconds = timeout_seconds

    def convert(self) -> None:
        """Make the formats of those who have their own; who can't is left out."""
        for name in [name for name in self.runs if name in READERS and READERS[name].converts]:
            say(f"converting: {name}")
            self.attempt(name, partial(convert, name, self._work, self._timeout_seconds))

    def run(self, name: str) -> ReadRun:
        """One timed run of a reader or a bound."""
        return read(name, self._work, self._timeout_seconds)

    def about(self, run: ReadRun) -> str:
        """Its speed, and what the process took in all."""
        return f"{run.measured.images_per_second:,.0f} images/s, {run.used.seconds:.0f} s in all"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison; 1 when augcli itself failed."""
    options = parser().parse_args(arguments)
    images = choose(find_images(training_folder(options.data)), options.images)
    if not images:
        print(f"--data {options.data}: no images in folders per class", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="augcli-read-", dir=options.tmp) as folder:
        try:
            results = compare(options, images, Path(folder))
        except PeerError as error:
            say(f"augcli expand: {error}")
            return 1
    if not any(name in READERS for name in results.runs):
        return 1
    show(results, Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False))
    if options.json:
        content = json.dumps(results.to_json(), indent=1)
        options.json.write_text(content + "\n", encoding="utf-8")
    failed = set(OWN) & set(results.left_out) - set(here(list(OWN))[1])
    return 1 if failed else 0


def compare(options: argparse.Namespace, chosen: list[Path], folder: Path) -> Results:
    """Expand, convert, then time, round by round.

    Raises:
        PeerError: augcli's expansion failed.
    """
    load_before = load()
    gather(chosen, folder / "data")
    work = ReadWork(
        folder=str(folder),
        size=options.size,
        batch=options.batch,
        workers=options.workers,
        seconds=options.seconds,
        policy_argument=policy_argument(POLICY, folder),
    )
    names, left_out = here(options.only)
    for name, why in left_out.items():
        say(f"left out: {name}: {why}")
    images = _expand(work, names, len(chosen), options.timeout)
    comparison = Comparison([*names, *bounds_of(names)], work, options.timeout)
    comparison.left_out |= left_out
    comparison.convert()
    for number in range(options.rounds):
        comparison.round(number, options.rounds)
    readers = [name for name in comparison.runs if name in READERS]
    return Results(
        work=work,
        images=images,
        rounds=options.rounds,
        runs=comparison.runs,
        left_out=comparison.left_out,
        kilobytes_per_image={name: kilobytes_per_image(name, work, images) for name in readers},
        machine=describe(),
        load_before=load_before,
    )


def _expand(work: ReadWork, names: list[str], images: int, timeout_seconds: float) -> int:
    """The stored views, and what they look like; how many there are."""
    codecs = {"jpeg", *(READERS[name].codec for name in names)}
    if any(READERS[name].bound == "copy" for name in names):
        codecs.add("npy")
    for codec in sorted(codecs):
        say(f"expanding {images} images: {codec}")
        stored = expand(work, codec, images, timeout_seconds)
    unused = remove_unused(work)
    if unused:
        say(f"{len(unused)} images that augcli can't use are left out: {', '.join(unused[:5])}")
    make_reference(work)
    return stored


def parser() -> argparse.ArgumentParser:
    """The options."""
    result = argparse.ArgumentParser(
        description="Training batches per second of augcli and of other loaders, side by side.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add_shared(result)
    add = result.add_argument
    add("--size", type=count, default=224, help="pixels of an image's side")
    add("--batch", type=count, default=64, help="images of a batch")
    add("--workers", type=count, default=2, help="worker processes, or threads")
    add("--seconds", type=float, default=10.0, help="least time of whole epochs per run")
    add("--rounds", type=count, default=3, help="timed runs of each reader")
    add("--only", type=names_of(READERS), default=list(READERS), help=f"of {','.join(READERS)}")
    add("--images", type=count, help="images to use, chosen by a hash of their names")
    return result


if __name__ == "__main__":
    sys.exit(main())
