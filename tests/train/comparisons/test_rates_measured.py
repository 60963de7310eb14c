"""What is measured of time: stretches, processor time, the page cache, and all arms by turns."""

from __future__ import annotations

import dataclasses
import multiprocessing
import time
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
import torch

from augcli.train.batch import Batch
from augcli.train.comparisons import page_cache, stretches, throughput
from augcli.train.comparisons.cpu_time import counts_live_children, cpu_seconds
from augcli.train.comparisons.measurements import Arm
from augcli.train.comparisons.page_cache import dropped, resident_share
from augcli.train.comparisons.setups import Setups
from augcli.train.comparisons.stretches import measure_stretch, take
from augcli.train.comparisons.throughput import measure_throughput
from augcli.train.step import Step

NONE = Arm("none", "none", "none")
FRESH = Arm("on-the-fly", "on-the-fly", "rotate-flip")
ONE = Arm("shards-1", "shards", "rotate-flip", rounds=2)
TWO = Arm("shards-2", "shards", "rotate-flip", rounds=3)
RESIDUAL = Arm("shards-1+residual", "shards", "rotate-flip", 2, "flip,shift")
ORIGINALS = Arm("originals+on-the-fly", "originals", "rotate-flip", rounds=1)


def burn(seconds: float) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def test_a_stretch_counts_views_and_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(stretches, "time", type("Clock", (), {"perf_counter": lambda: clock[0]}))
    monkeypatch.setattr(stretches, "SECONDS", 10.0)
    monkeypatch.setattr(stretches, "WARM_UP_BATCHES", 2)

    def batches():  # type: ignore[no-untyped-def]
        while True:
            clock[0] += 3.0  # waited for
            yield "batch"

    def use(batch: str) -> None:
        clock[0] += 1.0

    found = measure_stretch(batches(), len, use)
    assert (found.views, found.seconds, found.waited) == (3 * 5, 12.0, 9.0)
    assert (found.rate, found.wait_share) == (1.25, 0.75)
    assert clock[0] == 8.0 + 12.0  # two batches of warm-up before


def test_what_ends_is_taken_to_its_end() -> None:
    views, _, _ = take(iter(["ab", "c"]), len, lambda batch: None, 1e9, 1)
    assert views == 3
    views, _, _ = take(repeat("ab"), len, lambda batch: None, 0.0, 4)
    assert views == 8


def test_processor_time_is_that_of_children_too() -> None:
    before = cpu_seconds()
    burn(0.03)
    assert cpu_seconds() - before >= 0.03
    if not counts_live_children():
        return
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def work() -> None:
        burn(0.1)
        theirs.send(None)
        theirs.recv()

    before = cpu_seconds()
    process = context.Process(target=work)
    process.start()
    ours.recv()
    alive = cpu_seconds() - before
    ours.send(None)
    process.join()
    assert alive >= 0.08  # it counts in ticks of 10 ms
    assert cpu_seconds() - before >= alive - 0.02


def test_files_leave_the_page_cache_and_come_back(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100_000)
    (tmp_path / "empty").touch()
    if not dropped([path, tmp_path / "empty"]):
        pytest.skip("files can't be dropped from the page cache here")
    assert resident_share([path]) == 0.0
    path.read_bytes()
    assert resident_share([path]) == 1.0


def test_what_stays_in_the_page_cache_is_not_called_cold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 100_000)
    monkeypatch.setattr(page_cache, "_drop", lambda path: path.read_bytes())
    assert not dropped([path])


def test_all_arms_are_measured_by_turns(setups: Setups, monkeypatch: pytest.MonkeyPatch) -> None:
    order = []
    measure = throughput._measure

    def told(opened, *more):  # type: ignore[no-untyped-def]
        order.append(opened.sources.train.rounds)
        measure(opened, *more)

    monkeypatch.setattr(throughput, "_measure", told)
    monkeypatch.setattr(throughput, "dropped", lambda files: True)
    arms = (NONE, FRESH, ONE, TWO, RESIDUAL, ORIGINALS)
    found = measure_throughput(setups, arms, "0", lambda done, turns: None)
    assert [row.arm for row in found.arms] == [arm.name for arm in arms]
    assert found.batch_size == 6 and len(found.bound.values) == 2
    for row in found.arms:
        assert len(row.source.values) == len(row.training.values) == 2
        assert row.cold is not None and len(row.cold.values) == 2
        assert min(*row.source.values, *row.training.values, *row.cold.values) > 0
        assert 0 <= row.wait_share <= 1 and row.cpu_seconds_per_view > 0 and row.workers == 0
    # Copies share a measurement, residual has its own; there and back again.
    there = [1, None, 3, 2, None]
    assert order == [*there, *reversed(there)]
    assert found.of("shards-1").source == found.of("shards-2").source
    assert found.of("shards-1+residual").training != found.of("shards-1").training
    stored, files = found.of("shards-1").bytes_per_view, found.of("none").bytes_per_view
    assert stored is not None and files is not None and 300 < stored < files


def test_the_bound_takes_its_batch_where_training_does(
    setups: Setups, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copied to a GPU at each step, it would be no bound of a training that copies ahead."""
    placed: list[int] = []
    taken: list[int] = []
    measure = throughput.measure_stretch

    def on_device(batches: Iterator[Batch], device: torch.device) -> Iterator[Batch]:
        for batch in batches:
            there = dataclasses.replace(batch, images=batch.images.clone())
            placed.append(id(there.images))
            yield there

    def stretch(batches: Any, size_of: Any, use: Any) -> Any:
        if isinstance(use, Step):
            taken.append(id(next(batches).images))
        return measure(batches, size_of, use)

    monkeypatch.setattr(throughput, "on_device", on_device)
    monkeypatch.setattr(throughput, "measure_stretch", stretch)
    measure_throughput(setups, (ONE,), "0", lambda done, turns: None)
    assert len(taken) == 2 and set(taken) <= set(placed)


def test_no_cold_rate_where_files_stay(setups: Setups, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throughput, "dropped", lambda files: False)
    found = measure_throughput(setups, (NONE, ONE), "0", lambda done, turns: None)
    assert found.of("none").cold is None
