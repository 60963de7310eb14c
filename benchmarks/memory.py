"""Peak memory of an expansion against the number of source images: it should be flat.

    python benchmarks/memory.py [--images 300 3000 30000] [--data DIR]

For each number, that many files are made from the images of DIR (or from generated ones), each
with bytes of its own, and `augcli expand` runs on them in a process of its own. Once a moment the
resident memory of that process and of each of its workers is read from /proc (Linux). Resident
memory of a forked worker counts pages that it shares with the parent, so `own` (PSS) is shown too.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from side_by_side.machine import memory_bytes

CLASSES = 10
POLL_SECONDS = 0.05


def make_images(folder: Path, count: int, data: str | None, size: int) -> None:
    """`count` JPEG files in class folders; a few bytes behind the image make each its own."""
    pool = [path.read_bytes() for path in _some(data)] if data else _generated(size)
    for label in range(CLASSES):
        (folder / f"class{label}").mkdir(parents=True)
    for number in range(count):
        content = pool[number % len(pool)] + number.to_bytes(8, "little")
        (folder / f"class{number % CLASSES}" / f"{number:06d}.jpg").write_bytes(content)


def _some(data: str) -> list[Path]:
    found = sorted(path for path in Path(data).rglob("*") if path.suffix.lower() == ".jpg")
    return found[:: max(1, len(found) // 100)][:100]


def _generated(size: int) -> list[bytes]:
    import cv2
    import numpy as np

    rng = np.random.default_rng(0)
    coarse = [rng.integers(0, 256, (8, 8, 3), np.uint8) for _ in range(20)]
    return [cv2.imencode(".jpg", cv2.resize(image, (size, size)))[1].tobytes() for image in coarse]


def measure(command: Sequence[str]) -> tuple[dict[str, int], float]:
    """Peaks in bytes of a run: parent and largest worker, resident and own; and its seconds."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peaks = dict.fromkeys(("parent", "worker", "worker_own"), 0)
    while process.poll() is None:
        peaks["parent"] = max(peaks["parent"], memory_bytes(process.pid, "status", "VmHWM:"))
        for worker in _children(process.pid):
            peaks["worker"] = max(peaks["worker"], memory_bytes(worker, "status", "VmHWM:"))
            peaks["worker_own"] = max(
                peaks["worker_own"], memory_bytes(worker, "smaps_rollup", "Pss:")
            )
        time.sleep(POLL_SECONDS)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}")
    return peaks, time.perf_counter() - started


def _children(parent: int) -> list[int]:
    try:
        text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    except OSError:
        return []
    return [int(number) for number in text.split()]


def main() -> None:
    """Measure as the command line says, and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--images", type=int, nargs="+", default=[300, 3000, 30000])
    parser.add_argument("--data", help="folder with JPEGs to take images from; else generated")
    parser.add_argument("--copies", type=int, default=2)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--grow", action="store_true", help="measure adding a copy as well")
    given = parser.parse_args()
    print("images  what    parent MB  worker MB  own MB   seconds")
    for count in given.images:
        with tempfile.TemporaryDirectory(prefix="augcli-memory-") as name:
            folder = Path(name)
            make_images(folder / "data", count, given.data, given.size)
            for what, copies in (("make", given.copies), ("grow", given.copies + 1)):
                if what == "grow" and not given.grow:
                    continue
                options = ["--data", folder / "data", "--out", folder / "out", "--copies", copies]
                options += ["--size", given.size, "--workers", given.workers]
                command = [sys.executable, "-m", "augcli.cli", "expand", *map(str, options)]
                peaks, seconds = measure(command)
                parent, worker, own = (
                    peaks[name] / 1e6 for name in ("parent", "worker", "worker_own")
                )
                row = f"{parent:9.1f}  {worker:9.1f}  {own:6.1f}  {seconds:8.1f}"
                print(f"{count:6}  {what:6}  {row}", flush=True)


if __name__ == "__main__":
    main()
