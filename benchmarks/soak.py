"""Kill an expansion at random instants, again and again: it must end in the undisturbed dataset.

    python benchmarks/soak.py --data DIR [--kills 30] [--seed 0]

An expansion is run whole once; another is killed with SIGKILL at random instants (a worker, the
parent, or the whole process group) and run again, until it is through. Every dataset is then
compared with the undisturbed one, byte for byte. Half of the kills hit expansions that grow a
finished dataset by more copies; that dataset must verify whenever its manifest is there. In shards
and, with `--format folder`, in class trees.

The report goes to stdout, a line per kill; the exit code is 1 when anything differed.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

TARGETS = ("worker", "parent", "group")
ATTEMPTS = 400  # kills that hit nothing (the run was through before) are tried again


@dataclass
class Soak:
    """What is soaked: the options of every expansion, and the tally so far."""

    data: str
    folder: Path
    copies: int = 4
    size: int = 64
    options: Sequence[str] = ()
    verified: int = 0
    wrong: list[str] = field(default_factory=list)
    killed: Counter[str] = field(default_factory=Counter)

    def run(self, kills: int, seed: int) -> None:
        """Kill `kills` times, at instants spread over the time that a whole expansion takes."""
        rng = random.Random(seed)
        whole = self.folder / "whole"
        started = time.perf_counter()
        self._finish(whole, self.copies)
        seconds = time.perf_counter() - started
        small = self.folder / "small"
        self._finish(small, 1)
        done = 0
        for attempt in range(ATTEMPTS):
            if done >= kills:
                break
            out = self.folder / "killed"
            if not out.exists() and attempt % 2:
                shutil.copytree(small, out)
            what = rng.choice(TARGETS)
            delay = rng.uniform(0, 1.1 * seconds)
            if hit := self._kill(out, what, delay):
                done += 1
                print(f"{done:3} of {kills}: {hit} killed after {delay:.2f} s", flush=True)
                self._verify_if_there(out, self.killed.total())
            if done % 3 == 0 or rng.random() < 0.3:  # else this dataset is killed once more
                self._end(out, whole)
        if (self.folder / "killed").exists():
            self._end(self.folder / "killed", whole)
        if done < kills:
            self.wrong.append(f"only {done} of {kills} kills hit")

    def _command(self, out: Path, copies: int) -> list[str]:
        given = {"--data": self.data, "--out": out, "--copies": copies, "--size": self.size}
        options = [str(part) for pair in given.items() for part in pair]
        return [sys.executable, "-m", "augcli.cli", "expand", *options, *self.options]

    def _finish(self, out: Path, copies: int) -> None:
        result = subprocess.run(self._command(out, copies), capture_output=True, text=True)
        if result.returncode != 0 or "Traceback" in result.stderr:
            self.wrong.append(f"rc {result.returncode}: {result.stderr.strip()}")

    def _kill(self, out: Path, what: str, delay: float) -> str:
        """What was killed while it was at work; '' when the run was through before."""
        process = subprocess.Popen(
            self._command(out, self.copies),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        time.sleep(delay)
        workers = children(process.pid)
        if what == "worker" and not workers and process.poll() is None:
            what = "parent"
        if process.poll() is None:
            if what == "group":
                os.killpg(process.pid, signal.SIGKILL)
            else:
                os.kill(workers[0] if what == "worker" else process.pid, signal.SIGKILL)
        _, told = process.communicate()
        if "Traceback" in told:
            self.wrong.append(f"{what} killed after {delay:.2f} s: {told}")
        if process.returncode == 0:
            return ""
        self.killed[what] += 1
        return what

    def _verify_if_there(self, out: Path, number: int) -> None:
        if not (out / "manifest.json").exists():
            return
        command = [sys.executable, "-m", "augcli.cli", "verify", str(out)]
        result = subprocess.run(command, capture_output=True, text=True)
        self.verified += 1
        if result.returncode != 0:
            self.wrong.append(f"kill {number}: verify: {result.stdout}{result.stderr}")

    def _end(self, out: Path, whole: Path) -> None:
        self._finish(out, self.copies)
        found = differences(whole, out)
        if found:
            self.wrong.append(f"after {self.killed.total()} kills: {', '.join(found[:5])}")
        shutil.rmtree(out)


def children(parent: int) -> list[int]:
    """The process ids of `parent`'s children (Linux)."""
    try:
        text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    except OSError:
        return []
    return [int(number) for number in text.split()]


def differences(first: Path, second: Path) -> list[str]:
    """Names that are in one tree only, or whose bytes differ."""
    names = [
        {path.relative_to(root).as_posix() for path in root.rglob("*")} for root in (first, second)
    ]
    only = names[0] ^ names[1]
    both = [name for name in sorted(names[0] & names[1]) if (first / name).is_file()]
    _, differing, errors = filecmp.cmpfiles(first, second, both, shallow=False)
    return [*sorted(only), *differing, *errors]


def main() -> int:
    """Soak as the command line says; 0 when every dataset was the undisturbed one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", required=True, help="as of augcli expand")
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--copies", type=int, default=8)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--format", default="tar", choices=("tar", "folder"))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    options = ("--format", given.format, "--workers", str(given.workers))
    with tempfile.TemporaryDirectory(prefix="augcli-soak-") as folder:
        soak = Soak(given.data, Path(folder), given.copies, given.size, options)
        started = time.perf_counter()
        soak.run(given.kills, given.seed)
    hits = ", ".join(f"{what} {count}" for what, count in sorted(soak.killed.items()))
    print(
        f"{soak.killed.total()} kills ({hits}) in {time.perf_counter() - started:.0f} s; "
        f"{soak.verified} datasets verified meanwhile; {len(soak.wrong)} wrong"
    )
    for line in soak.wrong:
        print(f"wrong: {line}")
    return 1 if soak.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
