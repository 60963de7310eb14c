"""Memory for decoded images: what is allowed, what is shared, and that it goes again."""

from __future__ import annotations

import errno
import gc
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from augcli.manifests.errors import UsageError
from augcli.train import batch_memory, memory
from augcli.train.batch_memory import SharedMemory, private_memory
from augcli.train.memory import (
    Keeping,
    allowed_bytes,
    allowed_on_gpu,
    free_bytes,
    parse_bytes,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("512MB", 512_000_000), ("2GB", 2_000_000_000), ("1.5g", 1_500_000_000),
     ("7", 7), (" 3 KB ", 3000), ("1T", 10**12)],
)  # fmt: skip
def test_sizes(text: str, expected: int) -> None:
    assert parse_bytes("--memory", text) == expected


@pytest.mark.parametrize("text", ["", "much", "-1", "2 GiB", "1e9", "GB", "nan", "5%"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(UsageError, match=r"--memory: .*2GB"):
        parse_bytes("--memory", text)


def test_a_container_allows_less_than_the_machine_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    whole = free_bytes()
    assert whole > 1e6
    (tmp_path / "memory.max").write_text("2000000\n")
    (tmp_path / "memory.current").write_text("500000\n")
    assert free_bytes() == 1_500_000
    assert allowed_bytes("auto") == 375_000
    assert allowed_bytes("auto", processes=3) == 125_000
    assert allowed_bytes("1MB", processes=2) == 500_000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_bytes() > 2_000_000


@pytest.mark.parametrize(
    ("memory_option", "expected"), [("auto", 5e9), ("1GB", 1e9), ("60GB", 5e9), ("0", 0)]
)
def test_no_more_than_a_share_of_a_gpu(
    memory_option: str, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Was: what the machine may keep was taken for what its GPU may."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (20 * 10**9, 24 * 10**9))
    assert allowed_on_gpu(memory_option, torch.device("cuda")) == expected


def test_what_is_allowed_is_given_once() -> None:
    keeping = Keeping(1000)
    assert keeping.take((11, 10, 10)) is None
    taken = keeping.take((6, 10, 10))
    assert taken is not None
    pixels, there = taken
    assert pixels.pixels.shape == (6, 10, 10) and there.pixels.shape == (6,)
    assert not there.pixels.any()
    assert keeping.take((6, 10, 10)) is None
    assert keeping.take((4, 10, 10)) is not None


def test_a_shared_block_is_the_same_memory_elsewhere() -> None:
    files = SharedMemory()
    block = files.create((3, 4))
    code = "import pickle, sys; pickle.load(sys.stdin.buffer).pixels[1, 2] = 77"
    subprocess.run([sys.executable, "-c", code], input=pickle.dumps(block), check=True)
    assert block.pixels.sum() == block.pixels[1, 2] == 77
    assert block.path is not None and Path(block.path).exists()
    files.close()
    assert not Path(block.path).parent.exists()
    assert block.pixels[1, 2] == 77, "what is held stays valid"
    files.close()


def test_files_on_disk_take_over_where_shared_memory_is_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve = batch_memory._reserve
    small = 1000

    def limited(file: int, size: int) -> None:
        if size > small and Path(f"/proc/self/fd/{file}").readlink().is_relative_to("/dev/shm"):
            raise OSError(errno.ENOSPC, "No space left on device")
        reserve(file, size)

    monkeypatch.setattr(batch_memory, "_reserve", limited)
    monkeypatch.setattr(batch_memory.tempfile, "gettempdir", lambda: str(tmp_path))
    files = SharedMemory()
    first, second = files.create((10, 10)), files.create((100, 100))
    assert first.path is not None and first.path.startswith("/dev/shm/")
    assert second.path is not None and second.path.startswith(str(tmp_path))
    files.close()
    assert list(tmp_path.iterdir()) == []


def test_shared_memory_goes_with_a_killed_process() -> None:
    code = """
import os, signal
from augcli.train.batch_memory import SharedMemory
block = SharedMemory().create((8, 8))
print(block.path, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    path = Path(result.stdout.strip())
    for _ in range(100):
        if not path.parent.exists():
            break
        subprocess.run(["sleep", "0.1"], check=True)
    assert not path.parent.exists()


def test_a_block_comes_back_when_nothing_of_it_is_held() -> None:
    blocks = private_memory((2, 4, 4, 3), pinned=False)
    first = blocks.take()
    tensor = blocks.lend(first, 2)
    row = tensor[1:].float().numpy(), tensor[0]
    assert blocks.take() is not first
    del tensor
    gc.collect()
    assert blocks.take() is not first, "a row is still held"
    del row
    assert blocks.take() is first


def test_lent_images_are_channels_last_and_the_memory_itself() -> None:
    blocks = private_memory((2, 4, 5, 3), pinned=False)
    block = blocks.take()
    block.pixels[:] = np.arange(120, dtype=np.uint8).reshape(2, 4, 5, 3)
    images = blocks.lend(block, 1)
    assert images.shape == (1, 3, 4, 5)
    assert (images[0].permute(1, 2, 0).numpy() == block.pixels[0]).all()
    block.pixels[0, 0, 0, 0] = 99
    assert images[0, 0, 0, 0] == 99
