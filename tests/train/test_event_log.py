"""TensorBoard's events: what a reader finds in the file."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog

from augcli.train.event_log import EventLog
from augcli.train.record import Row


def row(epoch: int, **changes: Any) -> Row:
    plain = dict.fromkeys(Row.__dataclass_fields__, 0.0)
    return Row(**plain | {"epoch": epoch, "train_loss": 1.0 / epoch, "seconds": 2.0} | changes)


def events(folder: Path) -> Iterator[Event]:
    """Records of TensorFlow's format: length, its checksum, data, their checksum."""
    [path] = folder.glob("events.out.tfevents.*")
    data, at = path.read_bytes(), 0
    while at < len(data):
        (length,) = struct.unpack("<Q", data[at : at + 8])
        yield Event.FromString(data[at + 12 : at + 12 + length])
        at += 16 + length


def scalars(folder: Path) -> dict[tuple[str, int], float]:
    return {
        (value.tag, event.step): value.simple_value
        for event in events(folder)
        for value in event.summary.value
    }


def test_scalars_by_epoch(tmp_path: Path) -> None:
    with closing(EventLog(tmp_path, 0)) as log:
        log.add(row(1, val_loss=0.5, data_wait_seconds=0.5))
        assert scalars(tmp_path)["loss/validation", 1] == 0.5, "a dashboard sees it at once"
        log.add(row(2, val_loss=None))
    found = scalars(tmp_path)
    assert found["loss/train", 2] == 0.5
    assert found["speed/data_wait_share", 1] == 0.25
    assert ("loss/validation", 2) not in found


def test_what_is_resumed_voids_what_came_after(tmp_path: Path) -> None:
    with closing(EventLog(tmp_path, 3)) as log:
        log.add(row(4))
    started = [e for e in events(tmp_path) if e.session_log.status == SessionLog.START]
    assert [event.step for event in started] == [4]


def test_a_clock_that_is_put_back_by_years(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Was: the writer's thread died of an overflow, and training waited for it."""
    times = iter([2e9] * 20 + [1e9] * 10**6)
    monkeypatch.setattr(time, "time", lambda: next(times))
    with closing(EventLog(tmp_path, 0)) as log:
        for epoch in range(1, 9):
            log.add(row(epoch))
    assert [step for name, step in scalars(tmp_path) if name == "lr"] == list(range(1, 9))
