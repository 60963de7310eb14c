"""Feed damaged files to whatever reads files of strangers: no crash, no hang, no lack of memory.

    python benchmarks/fuzz.py [--target image] [--seeds DIR] [--seconds 60 | --inputs 500]

Small sound files (made here, or the images of a folder) are changed in a few places: bits flipped,
bytes set to what overflows, pieces cut, repeated, or taken from another file; checksums of PNGs
are mended half of the time, so that damage gets past them. Each reader may take the result or
refuse it by the error that it promises. Anything else is a finding: another exception, a crash of
the process, more than `--hang-seconds`, or more memory than the reader states.

The readers run in a process of their own with that much memory. What was found lies in `--out`, a
file each, to be fed again by `--only FILE`. The exit code is 1 when anything was found.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fuzzing.feeding import Feeding, feed, outcome
from fuzzing.targets import TARGETS


def main() -> int:
    """Fuzz as the command line says; 0 when nothing was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--target", choices=TARGETS, action="append", help="default: all")
    parser.add_argument("--seeds", type=Path, help="a folder of files to begin with, too")
    parser.add_argument("--seconds", type=float, default=60, help="for each target")
    parser.add_argument("--inputs", type=int, default=10**12, help="at most, for each target")
    parser.add_argument("--hang-seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--only", type=Path, help="feed this file, as it is")
    given = parser.parse_args()
    targets = given.target or list(TARGETS)
    if given.only is not None:
        target = TARGETS[targets[0]]
        print(outcome(target, target.refusals(), given.only.read_bytes()))
        return 0
    given.out.mkdir(parents=True, exist_ok=True)
    total = 0
    for name in targets:
        feeding = Feeding(
            name, given.seconds, given.seed, given.hang_seconds, given.out, given.seeds,
            given.inputs,
        )  # fmt: skip
        fed, refused, found = feed(feeding)
        total += len(found)
        print(f"{name:11} {fed:8,} fed, {refused:8,} refused, {len(found)} findings", flush=True)
        for line in found:
            print(f"  {line}", flush=True)
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
