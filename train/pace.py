"""The pace of a run: the size, batches and place on the schedule of each of its epochs.

A learning-rate schedule is made for a nominal run, whose epochs all have batches of `--batch-size`.
An epoch covers a stretch of it from one *mark* to the next, in as many steps as it has itself. All
are whole numbers and functions of the marks, so that nothing differs after an interruption.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from augcli.train.order import Batching, Share


@dataclass(frozen=True)
class Stage:
    """Epochs in turn whose images are of one size."""

    start: int
    """Epochs that begin at this nominal step or later belong to it, until the next stage's."""
    size: int
    """Pixels that its images are high and wide."""
    batch_size: int


@dataclass(frozen=True)
class Timeline:
    """What is known of the epochs of a run, numbered from 0."""

    stages: tuple[Stage, ...]
    """By their starts; the first starts at 0, and the last has the largest images."""
    samples: int
    """Training samples of an epoch, over all ranks."""
    share: Share
    """This rank's of each batch."""
    steps: int
    """Nominal steps of the whole run."""
    marks: tuple[int, ...]
    """Nominal steps before each epoch that has begun or is planned, and after the last planned
    one; from 0, rising, to `steps` at most."""

    @property
    def planned(self) -> int:
        """How many epochs have both their marks."""
        return len(self.marks) - 1

    @property
    def is_whole(self) -> bool:
        """Whether the planned epochs reach the schedule's end."""
        return self.marks[-1] == self.steps

    def stage(self, epoch: int) -> Stage:
        """The stage of an epoch whose start is known; after the run's end, its last."""
        starts = [stage.start for stage in self.stages]
        return self.stages[bisect_right(starts, self.marks[epoch]) - 1]

    def batching(self, epoch: int) -> Batching:
        """How the epoch is cut into batches."""
        return Batching(self.samples, self.stage(epoch).batch_size, self.share)

    def batches(self, epoch: int) -> int:
        """Steps of the epoch, the same on every rank."""
        return self.batching(epoch).batches

    def smallest_batch(self, stage: Stage) -> int:
        """Samples in the smallest batch of its epochs, on any rank."""
        return Batching(self.samples, stage.batch_size, self.share).smallest

    def position(self, epoch: int, batch: int) -> int:
        """The nominal step whose learning rate step `batch` of `epoch` takes, both from 0.

        Of the nominal steps that it stands for, the last: so the run's last step is at the
        schedule's end. Until the epoch is planned, it stands still where it began.
        """
        if epoch >= self.planned:
            return min(self.marks[epoch], self.steps - 1)
        start, end = self.marks[epoch : epoch + 2]
        done = -(-(batch + 1) * (end - start) // self.batches(epoch))
        return start + max(done, 1) - 1

    def steps_before(self, epoch: int) -> int:
        """The steps that all epochs before `epoch` have taken."""
        return sum(self.batches(before) for before in range(epoch))

    def done(self, epoch: int, batch: int) -> int:
        """Nominal steps that are done after `batch` steps of `epoch`."""
        if batch == 0 or epoch >= self.planned:
            return self.marks[epoch]
        return self.position(epoch, batch - 1) + 1

    def progress(self, epoch: int, batch: int) -> float:
        """The part of the schedule, 0..1, that is done by then."""
        return self.done(epoch, batch) / self.steps

    def work(self, epoch: int, batch: int) -> float:
        """The part of the planned epochs' pixels, 0..1, that `batch` steps of `epoch` end with."""
        of_this = self.stage(epoch).size ** 2 * batch / self.batches(epoch)
        return (self._pixels[epoch] + of_this) / self._pixels[-1]

    @cached_property
    def _pixels(self) -> tuple[int, ...]:
        """Of a sample, before each of the planned epochs, and after the last."""
        sizes = (self.stage(epoch).size for epoch in range(self.planned))
        return tuple(accumulate((size**2 for size in sizes), initial=0))

    def with_mark(self, mark: int) -> Timeline:
        """The same with one more epoch planned, up to `mark`."""
        return dataclasses.replace(self, marks=(*self.marks, mark))
