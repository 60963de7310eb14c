"""What a benchmark ran on: hardware and versions, for the record."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import torch

from augcli.augment.engines import default_workers
from augcli.manifests.versions import package_versions

PACKAGES = ("augcli", "albumentations", "numpy", "opencv-python-headless", "torch", "torchvision")


def describe_machine() -> dict[str, Any]:
    """Processor, cores, memory, accelerator, system and versions."""
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "processor": _processor(),
        "cores": default_workers(),
        "memory_gb": _memory_gb(),
        "cuda": cuda,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": package_versions(PACKAGES),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory_gb() -> float | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemTotal"):
                return round(int(line.split()[1]) / 1e6, 1)
    except OSError:
        pass
    return None
