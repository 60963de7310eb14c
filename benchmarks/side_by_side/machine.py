"""What the numbers were taken on: processor, cores, memory, load, versions."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

PACKAGES = (
    *("augcli", "albumentations", "opencv-python-headless", "simplejpeg", "stringzilla"),
    *("numpy", "pillow", "joblib", "webdataset", "torch", "torchvision"),
    *("mosaicml-streaming", "litdata", "datasets", "Augmentor", "keras"),
    *("fastai", "timm"),
    *("ffcv", "numba", "nvidia-dali-cuda120", "nvidia-dali-cuda130"),
)
BUSY = 0.05  # the part of the cores from which other work is said to have disturbed a run


def cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def load() -> float:
    """Processes that ran or waited to run, on average over the last minute."""
    return os.getloadavg()[0]


def memory_bytes(process: int | str, file: str, field: str) -> int:
    """Of a process (or `self`), a field of its `/proc` file; 0 when it is gone (Linux)."""
    try:
        lines = Path(f"/proc/{process}/{file}").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def busy_seconds() -> float | None:
    """CPU seconds that all processes (and, in a guest, its neighbours) took since the start."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    user, nice, system, _idle, _wait, *rest = map(int, stat.read_text().splitlines()[0].split()[1:])
    return (user + nice + system + sum(rest[:3])) / os.sysconf("SC_CLK_TCK")


def describe() -> dict[str, str]:
    """Hardware and versions, by name; packages that are not installed are left out."""
    found = {
        "processor": _processor(),
        "cores": str(cores()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
    }
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def sentences(machine: Mapping[str, str], load_before: float, shares: Sequence[float]) -> str:
    """The machine, and how idle it was: `shares` are the parts of the cores that others took."""
    described = ", ".join(f"{name} {value}" for name, value in machine.items())
    load = (
        f"Load before the first run: {load_before:.2f}. Other work had "
        f"{statistics.median(shares):.0%} of the cores in the median run, "
        f"{max(shares):.0%} in the worst"
    )
    if max(shares) > BUSY:
        load += ": these are the numbers of a shared machine, and no measure of idle ones"
    return f"{described}. {load}."


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
