"""Batches fed by a thread, and kept on a device: the same batches in the same order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from augcli.train.batch import Batch
from augcli.train.feeding import AHEAD, batches_on, fed


def numbered(count: int, made: list[int] | None = None) -> Iterator[Batch]:
    for number in range(count):
        if made is not None:
            made.append(number)
        images = torch.full((1, 3, 2, 2), number, dtype=torch.uint8)
        yield Batch(images, torch.tensor([number]), (str(number),), np.array([number]), number)


class Copies:
    """Counts batches copied, and those whose user has waited for the copy."""

    def __init__(self) -> None:
        self.ready: list[int] = []

    def __call__(self, batch: Batch) -> tuple[Batch, Callable[[], None]]:
        return batch, lambda: self.ready.append(batch.number)


def test_all_come_in_order_and_each_is_waited_for() -> None:
    copies = Copies()
    seen = []
    for batch in fed(numbered(20), copies):
        seen.append(batch.number)
        assert copies.ready == seen
    assert seen == list(range(20))


def test_no_further_ahead_than_it_should() -> None:
    made: list[int] = []
    feeding = fed(numbered(20, made), Copies())
    assert next(feeding).number == 0
    time.sleep(0.3)
    assert len(made) <= AHEAD + 2
    feeding.close()


@pytest.mark.parametrize("taken", [0, 1, 20])
def test_its_thread_ends_with_it(taken: int) -> None:
    before = threading.active_count()
    feeding = fed(numbered(20), Copies())
    for _ in range(taken):
        next(feeding)
    feeding.close()
    assert threading.active_count() == before


def test_what_the_source_raises_comes_in_its_place() -> None:
    def torn() -> Iterator[Batch]:
        yield from numbered(3)
        raise OSError("gone")

    feeding = fed(torn(), Copies())
    assert [next(feeding).number for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="gone"):
        next(feeding)


def test_what_shares_modules_with_training_runs_in_its_thread() -> None:
    """Was: a frozen backbone ran in the feeder, and had the head that learns in evaluation mode."""
    threads = []

    class Source:
        made_on = torch.device("cuda")

        def batches(self, epoch: int, *_: object) -> Iterator[Batch]:
            for batch in numbered(3):
                threads.append(threading.current_thread())
                yield batch

    assert [batch.number for batch in batches_on(Source.made_on, Source(), 0)] == [0, 1, 2]  # type: ignore[arg-type]
    assert set(threads) == {threading.current_thread()}
