"""Damaged files are taken or refused, and nothing else: for longer, `benchmarks/fuzz.py`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "fuzz.py"
KINDS = ("flip", "set", "cut", "repeat", "insert", "swap", "end")

numbers = st.integers(0, 255).map(lambda value: bytes([value])) | st.binary(min_size=1, max_size=8)
changes = st.lists(
    st.tuples(
        st.sampled_from(KINDS), st.floats(0, 1) | st.floats(0, 0.1), st.integers(1, 64), numbers
    ),
    min_size=1,
    max_size=5,
)


@pytest.fixture(scope="module")
def fuzz() -> Any:
    import fuzzing.changes
    import fuzzing.feeding
    import fuzzing.targets

    return fuzzing


@pytest.fixture(scope="module")
def seeds(fuzz: Any) -> dict[str, list[bytes]]:
    return {name: target.seeds() for name, target in fuzz.targets.TARGETS.items()}


TARGETS = ("image", "view", "manifest", "samples", "shard", "checkpoint", "policy", "table")


@pytest.mark.parametrize(("target", "share"), [(name, 2) for name in TARGETS[1:]] + [("image", 20)])
def test_taken_or_refused(
    fuzz: Any, seeds: dict[str, list[bytes]], target: str, share: int
) -> None:
    reader, sound = fuzz.targets.TARGETS[target], seeds[target]
    refusals = reader.refusals()

    @settings(max_examples=share * settings.default.max_examples)
    @given(
        pick=st.integers(0, 10**6), other=st.integers(0, 10**6), drawn=changes, mended=st.booleans()
    )
    def feed(pick: int, other: int, drawn: list[tuple[Any, ...]], mended: bool) -> None:
        made = [fuzz.changes.Change(*change) for change in drawn]
        data = fuzz.changes.changed(
            sound[pick % len(sound)], made, sound[other % len(sound)], mended=mended
        )
        try:
            reader.feed(data)
        except refusals as refused:
            assert str(refused)

    feed()


@pytest.mark.parametrize("target", TARGETS)
def test_sound_files_are_taken(fuzz: Any, seeds: dict[str, list[bytes]], target: str) -> None:
    """Else there would be nothing behind the first check to be reached."""
    taken = 0
    for data in seeds[target]:
        try:
            fuzz.targets.TARGETS[target].feed(data)
            taken += 1
        except fuzz.targets.TARGETS[target].refusals():
            assert target in ("checkpoint", "table")  # one of two is another kind of file
    assert taken


def test_images_within_the_memory_that_is_stated(tmp_path: Path) -> None:
    """In a process that gets no more: 64 bytes for each pixel of the limit."""
    command = [sys.executable, str(SCRIPT), "--target", "image", "--inputs", "150"]
    done = subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "150 fed" in done.stdout and "0 findings" in done.stdout


def crash(data: bytes) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hang(data: bytes) -> None:
    time.sleep(60)


def take_memory(data: bytes) -> None:
    bytearray(1 << 28)


def fail(data: bytes) -> None:
    raise RuntimeError(f"at byte {len(data)}")


@pytest.mark.parametrize(
    ("reader", "what"),
    [
        (crash, "crashed by SIGKILL"),
        (hang, "took too long"),
        (take_memory, "more than 16 MB"),
        (fail, "RuntimeError: at byte"),
    ],
)
def test_what_goes_wrong_is_found(
    fuzz: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reader: Any, what: str
) -> None:
    calls = iter(range(10**6))
    parent = os.getpid()

    def feed(data: bytes) -> None:
        if next(calls) > 1 and os.getpid() != parent:
            reader(data)

    target = fuzz.targets.Target(lambda: [b"sound"], feed, lambda: (ValueError,), 1 << 24)
    monkeypatch.setitem(fuzz.targets.TARGETS, "broken", target)
    _, _, found = fuzz.feeding.feed(
        fuzz.feeding.Feeding("broken", 60.0, 0, 0.2, tmp_path, inputs=3)
    )
    assert len(found) == 1 and what in found[0]
    assert Path(found[0].partition(":")[0]).is_file()
