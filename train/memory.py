"""How much memory decoded images may take, and who gets it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import torch

from augcli.augment.decode import Pixels
from augcli.manifests.errors import UsageError
from augcli.train.batch_memory import Block, SharedMemory

AUTO_SHARE = 0.25
"""Of the memory that is free when training begins, under `--memory auto`."""
_UNITS = {"": 1, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)B?", re.IGNORECASE)
_CGROUP = Path("/sys/fs/cgroup")
_UNLIMITED = 1 << 60


def parse_bytes(option: str, text: str) -> int:
    """`2GB`, `512M` or `0` in bytes, units of 1000.

    Raises:
        UsageError: not a size; the message names `option`.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{option}: '{text}' is no size: expected one as 2GB or 512MB, or 0")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def allowed_bytes(memory: str, processes: int = 1) -> int:
    """What `--memory` allows each of `processes` on this machine to keep, in bytes.

    Raises:
        UsageError: it is neither `auto` nor a size.
    """
    if memory == "auto":
        return int(free_bytes() * AUTO_SHARE) // processes
    return parse_bytes("--memory", memory) // processes


def allowed_on_gpu(memory: str, device: torch.device) -> int:
    """What `--memory` allows to keep on the GPU `device`, in bytes: never more than its share."""
    free, _ = torch.cuda.mem_get_info(device)
    share = int(free * AUTO_SHARE)
    return share if memory == "auto" else min(share, allowed_bytes(memory))


def free_bytes() -> int:
    """Memory that this process could take: what the system has and its control group allows."""
    return min(_free_in_system(), _free_in_group())


def _free_in_system() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 4 << 30  # not Linux: a machine that trains has more


def _free_in_group() -> int:
    """Containers are given less than the machine has; version 2 of control groups, then 1."""
    files = (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    )
    for limit, used in files:
        try:
            bound = (_CGROUP / limit).read_text().strip()
            taken = int((_CGROUP / used).read_text())
        except (OSError, ValueError):
            continue
        return _UNLIMITED if bound == "max" else max(0, int(bound) - taken)
    return _UNLIMITED


class Keeping:
    """Gives out memory for decoded images until what is allowed is used up.

    With `files`, all of it can be shared with processes.
    """

    def __init__(self, allowed: int, files: SharedMemory | None = None) -> None:
        self._files = files
        self._left = allowed if files is None else min(allowed, _free_shared() // 2)

    def take(self, shape: tuple[int, ...]) -> tuple[Block, Block] | None:
        """Memory for images, uint8 of `shape`, and zeros (shape[0],) to tick off what is there.

        None when that is more than what is left.
        """
        size = int(np.prod(shape, dtype=np.int64))
        if size > self._left:
            return None
        self._left -= size
        if self._files is not None:
            return self._files.create(shape), self._files.create(shape[:1])
        return Block(_zeros(shape)), Block(_zeros(shape[:1]))


def _zeros(shape: tuple[int, ...]) -> Pixels:
    return np.zeros(shape, np.uint8)  # no memory is taken before it is written to


def _free_shared() -> int:
    try:
        return shutil.disk_usage("/dev/shm").free
    except OSError:
        return 0
