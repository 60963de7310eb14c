"""augcli's expansion beside other tools that write augmented views to disk.

    python benchmarks/expand.py --data DIR

Every peer makes the same views of the same images and is timed from the start of its process to
its exit. Peers alternate, round by round. A small run of each comes first: it warms the caches,
and what it wrote (like what every timed run wrote) is read back and compared: the number of views,
their size, JPEG quality and subsampling, and that they differ from each other. Peers that are not
installed are named; `pip install -r benchmarks/peers.txt` brings them. The floor, what the fastest
known stages cost on this machine, is measured in the same rounds.

The report goes to stdout, progress to stderr.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from side_by_side.alternation import Alternation, say
from side_by_side.arguments import add_shared, count, names_of
from side_by_side.data import choose, find_images, gather, training_folder
from side_by_side.floor import measure
from side_by_side.machine import cores, describe, load
from side_by_side.peers import BASE, PEERS
from side_by_side.policies import POLICIES, policy_argument
from side_by_side.processes import PeerError
from side_by_side.report import Floor, Results, floor_of, markdown
from side_by_side.running import Run, installed, run_peer
from side_by_side.work import Work

CHECK_IMAGES = 16


class Comparison(Alternation[Run]):
    """The runs of one comparison, and of its floor, as they come in."""

    def __init__(
        self, names: list[str], work: Work, images: int, folder: Path, timeout_seconds: float
    ) -> None:
        super().__init__(names)
        self.alone: list[dict[str, float]] = []
        self.together: list[dict[str, float]] = []
        self._work = work
        self._images = images
        self._folder = folder
        self._timeout_seconds = timeout_seconds

    def check(self, chosen: Sequence[Path]) -> None:
        """A small untimed run of each peer; those that do other work are left out."""
        data = self._folder / "check"
        few = chosen[:: max(1, len(chosen) // CHECK_IMAGES)][:CHECK_IMAGES]
        gather(list(few), data)
        work = replace(self._work, data=str(data))
        for name in list(self.runs):
            if self.attempt(name, partial(run_peer, name, work, len(few), self._timeout_seconds)):
                say(f"check: {name}: equal work")

    def run(self, name: str) -> Run:
        """One timed run of a peer on all images."""
        return run_peer(name, self._work, self._images, self._timeout_seconds)

    def about(self, run: Run) -> str:
        """Its speed."""
        return f"{run.views_per_second:,.0f} views/s in {run.seconds:.1f} s"

    def measure_floor(self, number: int, rounds: int) -> None:
        """What the stages cost at this time."""
        work_file = self._folder / "floor.json"
        self._work.write(work_file)
        try:
            self.alone += measure(work_file, 1)
            self.together += measure(work_file, self._work.workers)
        except PeerError as error:
            say(f"no floor: {error}")
            return
        say(f"round {number + 1}/{rounds}: floor measured")

    def floor(self) -> Floor | None:
        """The floor, where it was measured."""
        if not self.alone or not self.together:
            return None
        return floor_of(self.alone, self.together, self._work)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison; 1 when augcli itself failed."""
    options = parser().parse_args(arguments)
    images = find_images(training_folder(options.data))
    if not images:
        print(f"--data {options.data}: no images in folders per class", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="augcli-benchmark-", dir=options.tmp) as folder:
        results = compare(options, choose(images, options.limit_images), Path(folder))
    if results is None:
        return 1
    text = markdown(results)
    print(text, end="")
    if options.markdown:
        options.markdown.write_text(text, encoding="utf-8")
    if options.json:
        content = json.dumps(results.to_json(), indent=1)
        options.json.write_text(content + "\n", encoding="utf-8")
    return 0


def compare(options: argparse.Namespace, chosen: list[Path], folder: Path) -> Results | None:
    """Check, then time, round by round; None when augcli itself failed."""
    load_before = load()
    image_bytes = gather(chosen, folder / "data")
    work = Work(
        data=str(folder / "data"),
        output=str(folder / "run" / "output"),
        size=options.size,
        copies=options.copies,
        workers=options.workers,
        policy=options.policy,
        policy_argument=policy_argument(options.policy, folder),
    )
    names, left_out = installed(options.peers, options.policy)
    for name, why in left_out.items():
        say(f"left out: {name}: {why}")
    comparison = Comparison(names, work, len(chosen), folder, options.timeout)
    comparison.left_out |= left_out
    comparison.check(chosen)
    for number in range(options.rounds):
        if BASE not in comparison.runs:
            return None
        if options.policy == "flat":
            comparison.measure_floor(number, options.rounds)
        comparison.round(number, options.rounds)
    if BASE not in comparison.runs:
        return None
    return Results(
        work=work,
        images=len(chosen),
        image_bytes=image_bytes,
        rounds=options.rounds,
        runs=comparison.runs,
        left_out=comparison.left_out,
        floor=comparison.floor(),
        machine=describe(),
        load_before=load_before,
    )


def parser() -> argparse.ArgumentParser:
    """The options."""
    result = argparse.ArgumentParser(
        description="Augmented views per second of augcli and of other tools, side by side.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add_shared(result)
    add = result.add_argument
    add("--size", type=count, default=224, help="pixels of a view's side")
    add("--copies", type=count, default=5, help="views of each image")
    add("--workers", type=count, default=cores(), help="processes")
    add("--rounds", type=count, default=3, help="timed runs of each peer")
    add(
        "--peers",
        type=names_of(PEERS, always=[BASE]),
        default=list(PEERS),
        help=f"of {','.join(PEERS)}",
    )
    add("--limit-images", type=count, help="images to use, chosen by a hash of their names")
    add("--policy", choices=list(POLICIES), default="flat", help="what is done to the views")
    add("--markdown", type=Path, help="file for the report that is printed")
    return result


if __name__ == "__main__":
    sys.exit(main())
