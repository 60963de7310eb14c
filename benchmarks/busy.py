"""What does other work on the same cores do to the speed of training?

    python benchmarks/busy.py [--rounds 3]

Trains on a synthetic batch, alone and beside a process that keeps one core busy, with threads that
wait for each other as augcli has them (`GOMP_SPINCOUNT=1000`), as OpenMP does by default, and not
at all (one thread). Settings take turns; the table has medians, of images per second.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

SETTINGS = {
    "short waits, as in augcli": {"GOMP_SPINCOUNT": "1000"},
    "OpenMP's own": {},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
BATCH, SIZE, CLASSES = 64, 96, 10
WARM_UP_STEPS, SECONDS = 3, 8.0
BUSY = "while True: pass"


def images_per_second() -> float:
    """Of forward, backward and optimiser on one batch, over and over."""
    import torch
    from torch import nn

    from augcli.train.models import build_model

    model = build_model("small", CLASSES, (SIZE, SIZE), seed=0).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    images = torch.randn(BATCH, 3, SIZE, SIZE).to(memory_format=torch.channels_last)
    labels = torch.arange(BATCH) % CLASSES
    steps, began = 0, 0.0
    while steps <= WARM_UP_STEPS or time.perf_counter() - began < SECONDS:
        if steps == WARM_UP_STEPS:
            began = time.perf_counter()
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
        steps += 1
    return (steps - WARM_UP_STEPS) * BATCH / (time.perf_counter() - began)


def measure(setting: dict[str, str]) -> float:
    """The same in a process with these variables."""
    own = {name: value for name, value in os.environ.items() if "OMP" not in name}
    if not setting:
        own["OMP_WAIT_POLICY"] = ""  # augcli leaves everything as it is, and OpenMP ignores it
    command = [sys.executable, __file__, "--one"]
    result = subprocess.run(
        command, env=own | setting, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
    )
    return float(result.stdout)


def main() -> None:
    """Measure as the command line says, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(images_per_second())
        return
    found: dict[tuple[str, bool], list[float]] = {}
    for _ in range(given.rounds):
        for busy in (False, True):
            other = subprocess.Popen([sys.executable, "-c", BUSY]) if busy else None
            try:
                for name, setting in SETTINGS.items():
                    found.setdefault((name, busy), []).append(measure(setting))
            finally:
                if other is not None:
                    other.kill()
                    other.wait()
    print("| threads | alone | beside a busy process |\n|---|---:|---:|")
    for name in SETTINGS:
        alone, beside = (statistics.median(found[name, busy]) for busy in (False, True))
        print(f"| {name} | {alone:.0f} | {beside:.0f} |")


if __name__ == "__main__":
    main()
