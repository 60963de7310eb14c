"""TensorBoard's events of a run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from augcli.train.record import Row


class EventLog:
    """Events as they happen; steps are epochs, from 1.

    `SummaryWriter` would hand them to a thread, which a clock that is put back by a month ends, and
    which training then waits for without end.
    """

    def __init__(self, folder: Path, done_epochs: int) -> None:
        """Write into `folder`; events after epoch `done_epochs` from an earlier start are void.

        Raises:
            OSError: nothing can be written there.
        """
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import SessionLog

        self._writer = EventsWriter(str(folder / "events"))
        self._write(done_epochs + 1, file_version="brain.Event:2")
        self._write(done_epochs + 1, session_log=SessionLog(status=SessionLog.START))

    def close(self) -> None:
        """Write out what is left."""
        self._writer.close()

    def add(self, row: Row) -> None:
        """Log `row` and flush, so that a dashboard shows it while training goes on.

        Raises:
            OSError: it can't be written.
        """
        from tensorboardX.summary import scalar

        scalars = {
            "loss/train": row.train_loss,
            "loss/validation": row.val_loss,
            "accuracy/train": row.train_accuracy,
            "accuracy/validation": row.val_accuracy,
            "lr": row.lr,
            "speed/images_per_second": row.images_per_second,
            "speed/data_wait_share": row.data_wait_seconds / row.seconds if row.seconds else 0.0,
        }
        for name, value in scalars.items():
            if value is not None:
                self._write(row.epoch, summary=scalar(name, value))
        self._writer.flush()

    def _write(self, step: int, **content: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event

        self._writer.write_event(Event(wall_time=time.time(), step=step, **content))
