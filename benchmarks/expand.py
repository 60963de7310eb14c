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
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from side_by_side.data import choose, find_images, gather, training_folder
from side_by_side.floor import measure
from side_by_side.machine import cores, describe, load
from side_by_side.peers import BASE, PEERS
from side_by_side.policies import POLICIES, policy_argument
from side_by_side.report import Floor, Results, floor_of, markdown
from side_by_side.running import PeerError, Run, installed, run_peer
from side_by_side.work import Work

CHECK_IMAGES = 16


class Comparison:
    """The runs of one comparison, as they come in."""

    def __init__(self, work: Work, images: int, folder: Path, timeout_seconds: float) -> None:
        self.runs: dict[str, list[Run]] = {}
        self.left_out: dict[str, str] = {}
        self.alone: list[dict[str, float]] = []
        self.together: list[dict[str, float]] = []
        self._work = work
        self._images = images
        self._folder = folder
        self._timeout_seconds = timeout_seconds

    def check(self, names: Sequence[str], chosen: Sequence[Path]) -> None:
        """A small untimed run of each peer; those that do other work are left out."""
        data = self._folder / "check"
        few = chosen[:: max(1, len(chosen) // CHECK_IMAGES)][:CHECK_IMAGES]
        gather(list(few), data)
        work = replace(self._work, data=str(data))
        for name in names:
            try:
                run_peer(name, work, len(few), self._timeout_seconds)
                self.runs[name] = []
                say(f"check: {name}: equal work")
            except PeerError as error:
                self._leave_out(name, str(error))

    def round(self, number: int, rounds: int, with_floor: bool) -> None:
        """One timed run of each peer; each round starts with another one."""
        if with_floor:
            self._measure_floor(number, rounds)
        names = list(self.runs)
        start = number % max(1, len(names))
        for name in names[start:] + names[:start]:
            try:
                run = run_peer(name, self._work, self._images, self._timeout_seconds)
            except PeerError as error:
                self._leave_out(name, str(error))
                continue
            self.runs[name].append(run)
            say(
                f"round {number + 1}/{rounds}: {name}: {run.views_per_second:,.0f} views/s "
                f"in {run.seconds:.1f} s"
            )

    def floor(self) -> Floor | None:
        """The floor, where it was measured."""
        if not self.alone or not self.together:
            return None
        return floor_of(self.alone, self.together, self._work)

    def _measure_floor(self, number: int, rounds: int) -> None:
        work_file = self._folder / "floor.json"
        self._work.write(work_file)
        try:
            self.alone += measure(work_file, 1)
            self.together += measure(work_file, self._work.workers)
        except PeerError as error:
            say(f"no floor: {error}")
            return
        say(f"round {number + 1}/{rounds}: floor measured")

    def _leave_out(self, name: str, why: str) -> None:
        self.left_out[name] = why
        self.runs.pop(name, None)
        say(f"left out: {name}: {why}")


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
    comparison = Comparison(work, len(chosen), folder, options.timeout)
    comparison.left_out |= left_out
    comparison.check(names, chosen)
    for number in range(options.rounds):
        if BASE not in comparison.runs:
            return None
        comparison.round(number, options.rounds, with_floor=options.policy == "flat")
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
    add = result.add_argument
    add("--data", type=Path, required=True, help="folder per class; train/ in it, if it is there")
    add("--size", type=_count, default=224, help="pixels of a view's side")
    add("--copies", type=_count, default=5, help="views of each image")
    add("--workers", type=_count, default=cores(), help="processes")
    add("--rounds", type=_count, default=3, help="timed runs of each peer")
    add("--peers", type=_peers, default=list(PEERS), help=f"of {','.join(PEERS)}")
    add("--limit-images", type=_count, help="images to use, chosen by a hash of their names")
    add("--policy", choices=list(POLICIES), default="flat", help="what is done to the views")
    add("--timeout", type=float, default=3600.0, help="seconds after which a run is ended")
    add("--tmp", type=Path, help="where the temporary folder is made")
    add("--json", type=Path, help="file for all results")
    add("--markdown", type=Path, help="file for the report that is printed")
    return result


def say(line: str) -> None:
    """A line of progress."""
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return value


def _peers(text: str) -> list[str]:
    """The names; augcli, to which all is compared, is always among them."""
    names = text.split(",")
    unknown = sorted(set(names) - set(PEERS))
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose from {', '.join(PEERS)}")
    return [name for name in PEERS if name == BASE or name in names]


if __name__ == "__main__":
    sys.exit(main())
