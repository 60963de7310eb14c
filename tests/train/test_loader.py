"""Loading: who fills the batches changes nothing, and what goes wrong becomes one clear line."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from augcli.augment.decode import Pixels
from augcli.manifests.errors import AugcliError
from augcli.train import batch_memory
from augcli.train import sources as sources_module
from augcli.train.batch import Batch
from augcli.train.checkpoint import load_checkpoint
from augcli.train.config import TrainConfig
from augcli.train.epoch import Progress
from augcli.train.fillers import CallerFiller, Filler, ProcessFiller, ThreadFiller
from augcli.train.fresh_views import FreshViews
from augcli.train.loader import BatchLoader
from augcli.train.order import Batching, epoch_order
from augcli.train.run import train
from augcli.train.views import Labelled, RowFault

SIDE = 8
FILLERS: dict[str, Callable[..., Filler]] = {
    "caller": CallerFiller,
    "one thread": lambda views, shape: ThreadFiller(views, shape, 1),
    "threads": lambda views, shape: ThreadFiller(views, shape, 4),
    "processes": lambda views, shape: ProcessFiller(views, shape, 2),
}


class Numbered:
    """Views whose pixels say which sample and epoch they are; `bad` ones can't be read."""

    rounds = None

    def __init__(self, samples: int, bad: frozenset[int] = frozenset()) -> None:
        self.samples = Labelled(
            tuple(f"k{number:03}" for number in range(samples)), np.arange(samples) % 3
        )
        self.bad = bad
        self.closed = False

    def read(self, indices: npt.NDArray[np.int64], epoch: int, out: Pixels) -> list[RowFault]:
        assert out.shape == (len(indices), SIDE, SIDE, 3)
        faults = []
        for place, sample in enumerate(indices.tolist()):
            if sample in self.bad:
                faults.append((place, f"k{sample:03} is torn"))
            else:
                out[place] = sample
                out[place, 0, 0] = epoch
        return faults

    def expect(self, indices: npt.NDArray[np.int64], epoch: int) -> None:
        pass

    def close(self) -> None:
        self.closed = True


@pytest.fixture(params=FILLERS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make(kind: str) -> Iterator[Callable[..., BatchLoader]]:
    made: list[BatchLoader] = []

    def loader(views: Numbered, batch_size: int = 4, seed: int = 0, **more: bool) -> BatchLoader:
        batching = Batching(len(views.samples), batch_size)
        filler = FILLERS[kind](views, (batch_size, SIDE, SIDE, 3))

        def order(epoch: int, batching: Batching) -> list[npt.NDArray[np.int64]]:
            return batching.of_global_batches(epoch_order(batching.samples, seed, epoch))

        made.append(BatchLoader(views, filler, batching, order, **more))
        return made[-1]

    yield loader
    for loader_made in made:
        loader_made.close()


def content(batches: Iterator[Batch]) -> list[tuple[list[int], list[int], tuple[str, ...]]]:
    return [
        (
            batch.images[:, 0, 1, 1].tolist(),
            batch.images[:, 0, 0, 0].tolist(),
            batch.keys,
        )
        for batch in batches
    ]


def test_each_view_is_in_its_place(make: Callable[..., BatchLoader]) -> None:
    loader = make(Numbered(10), runs_on=True)
    for epoch in (0, 1, 5):
        order = epoch_order(10, 0, epoch)
        seen = []
        for number, batch in enumerate(loader.batches(epoch)):
            numbers = order[4 * number : 4 * number + 4]
            assert batch.number == number
            assert batch.indices.tolist() == numbers.tolist()
            assert batch.keys == tuple(f"k{sample:03}" for sample in numbers)
            assert batch.labels.tolist() == (numbers % 3).tolist()
            assert batch.labels.dtype == torch.int64
            assert batch.images.dtype == torch.uint8
            assert batch.images.is_contiguous(memory_format=torch.channels_last)
            assert batch.images.shape == (len(numbers), 3, SIDE, SIDE)
            for row, sample in enumerate(numbers):
                assert (batch.images[row, :, 1:] == sample).all()
                assert (batch.images[row, :, 0, 0] == epoch).all()
            seen += numbers.tolist()
        assert sorted(seen) == list(range(10))


def test_any_position_can_be_gone_on_from(make: Callable[..., BatchLoader]) -> None:
    loader = make(Numbered(23), runs_on=True)
    whole = {epoch: content(loader.batches(epoch)) for epoch in (0, 1)}
    for epoch, start in ((1, 3), (0, 5), (0, 0), (1, 5), (1, 6), (0, 2)):
        assert content(loader.batches(epoch, start)) == whole[epoch][start:]
    abandoned = loader.batches(0)
    next(abandoned)
    assert content(loader.batches(1)) == whole[1]


def test_epochs_may_have_batches_of_other_sizes(make: Callable[..., BatchLoader]) -> None:
    """The views come in the same order; what was begun for the next epoch is cut anew."""
    loader = make(Numbered(11), runs_on=True)
    for epoch, batch_size in ((0, None), (1, 4), (2, 3), (3, 3), (4, 1), (5, None)):
        seen = content(loader.batches(epoch, 0, batch_size))
        order = epoch_order(11, 0, epoch).tolist()
        size = batch_size or 4
        assert [samples for samples, _, _ in seen] == [
            order[start : start + size] for start in range(0, 11, size)
        ]
        assert content(loader.batches(epoch, 2, batch_size)) == seen[2:]


def test_a_batch_stays_as_it_is_while_anything_of_it_is_held(
    make: Callable[..., BatchLoader],
) -> None:
    loader = make(Numbered(40), runs_on=True)
    held = [batch.images[1:2, :, 2] for epoch in range(3) for batch in loader.batches(epoch)]
    expected = [
        epoch_order(40, 0, epoch)[4 * number + 1] for epoch in range(3) for number in range(10)
    ]
    for images, sample in zip(held, expected, strict=True):
        assert (images == sample).all()


def test_memory_is_used_again(make: Callable[..., BatchLoader]) -> None:
    loader = make(Numbered(80), runs_on=True)
    places = set()
    for epoch in range(4):
        for batch in loader.batches(epoch):
            places.add(batch.images.data_ptr())
            del batch
    assert len(places) <= 6, "of 80 batches"


def test_what_cannot_be_read_is_named(make: Callable[..., BatchLoader]) -> None:
    bad = int(epoch_order(10, 0, 2)[5])  # in the second batch
    batches = make(Numbered(10, bad=frozenset([bad]))).batches(2)
    next(batches)
    with pytest.raises(AugcliError, match=f"k{bad:03} is torn"):
        next(batches)


def test_or_skipped_and_counted(make: Callable[..., BatchLoader]) -> None:
    loader = make(Numbered(10, bad=frozenset([2, 3, 7])), skips_faults=True)
    for epoch in range(2):
        order, seen, faults = epoch_order(10, 0, epoch), [], []
        for batch in loader.batches(epoch):
            assert len(batch) == len(batch.images) == len(batch.labels) == len(batch.indices)
            assert batch.images[:, 0, 1, 1].tolist() == batch.indices.tolist()
            assert batch.labels.tolist() == (batch.indices % 3).tolist()
            seen += batch.indices.tolist()
            faults += list(batch.faults)
        assert seen == [sample for sample in order if sample not in (2, 3, 7)]
        assert sorted(fault.key for fault in faults) == ["k002", "k003", "k007"]
        assert all(fault.reason == f"{fault.key} is torn" for fault in faults)


def test_a_batch_may_lose_all(make: Callable[..., BatchLoader]) -> None:
    loader = make(Numbered(4, bad=frozenset(range(4))), skips_faults=True)
    (batch,) = loader.batches(0)
    assert len(batch) == 0 and batch.images.shape == (0, 3, SIDE, SIDE) and len(batch.faults) == 4


def test_nothing_is_left_open(
    make: Callable[..., BatchLoader], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened, read from and closed: no thread, file, process or shared memory stays."""
    # Not where other trainings on this machine have theirs.
    monkeypatch.setattr(batch_memory, "_shared_places", lambda: [str(tmp_path)])

    def used() -> tuple[int, int, int]:
        gc.collect()
        shared = len(list(tmp_path.iterdir()))
        return len(os.listdir("/proc/self/fd")), threading.active_count(), shared  # noqa: PTH208

    def once() -> None:
        views = Numbered(10)
        loader = make(views)
        next(loader.batches(0))
        loader.close()
        loader.close()
        assert views.closed

    once()
    before = used()
    for _ in range(4 if kind == "processes" else 50):  # which take a second each
        once()
    assert used() == before


class Deadly(FreshViews):
    """Views whose loader process is killed in the second epoch, as for want of memory."""

    def read(self, indices: npt.NDArray[np.int64], epoch: int, out: Pixels) -> list[RowFault]:
        if epoch == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(indices, epoch, out)


def test_a_killed_loader_process_keeps_the_checkpoint(
    split_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources_module, "FreshViews", Deadly)
    out = tmp_path / "run"
    config = TrainConfig(
        data=str(split_photos),
        size=16,
        epochs=3,
        workers=1,
        loader="processes",
        out=out,
        device="cpu",
    )
    steps: list[Progress] = []
    with pytest.raises(AugcliError) as failed:
        train(config, progress=steps.append)
    message = str(failed.value)
    assert "a loader process was killed" in message and "--workers" in message
    assert f"--out {out}" in message and "--resume" in message
    assert {step.epoch for step in steps} <= {1}
    assert load_checkpoint(out / "last.pt").epoch <= 1
