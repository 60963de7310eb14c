"""What a benchmark measured: plain records, from which all that is said of it follows.

Rates are views per second, times seconds, sizes bytes; accuracies, recalls and shares are 0..1.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from augcli.manifests.errors import AugcliError
from augcli.manifests.files import write_atomic
from augcli.train.comparisons.plain import from_plain, to_plain

VERSION = 1
MEASUREMENTS_FILE = "measurements.json"

NONE, FRESH, SHARDS, ORIGINALS = "none", "on-the-fly", "shards", "originals"
ARM_SOURCES = (NONE, FRESH, SHARDS, ORIGINALS)

RecordT = TypeVar("RecordT")


@dataclass(frozen=True)
class Arm:
    """One way to get training views.

    Attributes:
        name: `none`, `on-the-fly`, `shards-K`, `shards-K+residual`, `originals+on-the-fly`; of
            several policies with `:POLICY` behind it, but for `none`.
        source: one of `ARM_SOURCES`; `originals` are stored fitted images, augmented on the fly.
        policy: as the user names it.
        rounds: stored rounds that training reads; the unaugmented images are the first of them, so
            that K copies make K + 1. None where nothing is stored.
        residual: fresh transforms of whole batches on top, as `--residual` takes them.
    """

    name: str
    source: str
    policy: str
    rounds: int | None = None
    residual: str | None = None

    @property
    def copies(self) -> int | None:
        """K: the stored augmented copies of each training image."""
        return None if self.rounds is None else self.rounds - 1


@dataclass(frozen=True)
class Repeated:
    """A rate that was measured several times, in the order of the measurements."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    @property
    def least(self) -> float:
        """The slowest."""
        return min(self.values)

    @property
    def greatest(self) -> float:
        """The fastest."""
        return max(self.values)

    def overlaps(self, other: Repeated) -> bool:
        """Whether the two could be the same rate, as far as these measurements go."""
        return self.least <= other.greatest and other.least <= self.greatest


@dataclass(frozen=True)
class ArmThroughput:
    """How fast one arm's views come and are used.

    Attributes:
        source: views/s of the source alone, its files in the page cache.
        cold: the same with none of its files there; None where they can't be dropped from it.
        training: views/s of whole steps.
        wait_share: part of the training time spent waiting for data, the median's.
        cpu_seconds_per_view: of one core, in this process and its workers.
        bytes_per_view: read from files; None where that isn't known.
        workers: loader threads or processes, 0 for none.
    """

    arm: str
    source: Repeated
    cold: Repeated | None
    training: Repeated
    wait_share: float
    cpu_seconds_per_view: float
    bytes_per_view: float | None
    workers: int


@dataclass(frozen=True)
class Throughput:
    """All arms; `bound` is the step on one synthetic batch over and over: no source is faster."""

    batch_size: int
    bound: Repeated
    arms: tuple[ArmThroughput, ...]

    def of(self, arm: str) -> ArmThroughput:
        """One arm's."""
        return next(row for row in self.arms if row.arm == arm)


@dataclass(frozen=True)
class Expansion:
    """What storing `rounds` rounds of a policy costs; the views are those of all splits.

    Only the largest was made, and timed whole; a smaller one's time is its share of that (see
    `expanding.py`), and its bytes are counted.
    """

    policy: str
    rounds: int
    seconds: float
    cpu_seconds: float
    views: int
    disk_bytes: int

    @property
    def seconds_per_view(self) -> float:
        """Wall-clock time, with all workers."""
        return self.seconds / self.views

    @property
    def cpu_seconds_per_view(self) -> float:
        """Of one core."""
        return self.cpu_seconds / self.views


@dataclass(frozen=True)
class Training:
    """One finished training, measured on the final split.

    Attributes:
        seconds: of its epochs, validation not counted.
        log_loss: mean negative log-likelihood, nats.
        recalls: by class; None of a class that has no such images.
        correct: one bit per image, in the order of their keys, the same for all arms; see
            `correct_by_image`.
        corrupted: mean accuracy under corruptions, if they were asked for.
    """

    arm: str
    seed: int
    lr: float
    epochs: int
    steps: int
    seconds: float
    accuracy: float
    log_loss: float
    recalls: tuple[float | None, ...]
    correct: bytes
    corrupted: float | None = None

    def correct_by_image(self, images: int) -> npt.NDArray[np.bool_]:
        """Which of the `images` were recognised, shape (images,)."""
        bits = np.unpackbits(np.frombuffer(self.correct, np.uint8), count=images)
        return bits.astype(np.bool_)


def packed(correct: Sequence[bool] | npt.NDArray[np.bool_]) -> bytes:
    """What `Training.correct` keeps of a row of truth values."""
    return np.packbits(np.asarray(correct, np.bool_)).tobytes()


@dataclass(frozen=True)
class PeerRow:
    """Another library on the same data, doing what `arm` does as far as it can.

    `views_per_second` and `version` are None where it isn't installed or can't do it; `note` says
    what it did, or why not.
    """

    name: str
    arm: str
    views_per_second: Repeated | None
    version: str | None
    note: str


@dataclass(frozen=True)
class Measurements:
    """Everything that one benchmark measured.

    Attributes:
        config: its options, plain.
        machine: hardware and versions, as `describe_machine` tells them.
        split: `test`, or `val` where there are no test images; `test_images` are of it.
        arms: in the order of the report.
        trainings: by seed, and within a seed in the order of the arms. All arms have the same
            seeds.
        policies: as named, in the order asked for; one unless `--policies` named several.
        gave_up: what `--budget` left out, a sentence each, in the order in which it was.
        labels: the class of each test image, in the order of `Training.correct`.
    """

    version: int
    command: str
    config: dict[str, Any]
    machine: dict[str, Any]
    dataset: str
    classes: tuple[str, ...]
    train_images: int
    test_images: int
    split: str
    arms: tuple[Arm, ...]
    throughput: Throughput
    expansions: tuple[Expansion, ...]
    trainings: tuple[Training, ...]
    policies: tuple[str, ...]
    gave_up: tuple[str, ...] = ()
    peers: tuple[PeerRow, ...] = ()
    labels: tuple[int, ...] = ()

    def arm(self, name: str) -> Arm:
        """The arm of this name."""
        return next(arm for arm in self.arms if arm.name == name)

    def trainings_of(self, arm: str) -> tuple[Training, ...]:
        """One arm's, by seed."""
        return tuple(training for training in self.trainings if training.arm == arm)

    def expansion_of(self, arm: Arm) -> Expansion | None:
        """What storing what the arm reads costs; None where nothing is stored."""
        wanted = (arm.policy, arm.rounds)
        return next((e for e in self.expansions if (e.policy, e.rounds) == wanted), None)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, of which `from_json` makes the same again."""
        content: dict[str, Any] = to_plain(self)
        return content

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Measurements:
        """Raises: ValueError: of another version, or a field is missing or wrong."""
        if not isinstance(content, dict) or content.get("version") != VERSION:
            raise ValueError(f"expected version {VERSION} of a benchmark's measurements")
        return from_plain(cls, content)


def write_record(path: Path, record: Any) -> None:
    """Write a dataclass of plain fields as JSON; `path` is never seen half written."""
    text = json.dumps(to_plain(record), indent=1, ensure_ascii=False, allow_nan=False)
    write_atomic(path, text + "\n")


def read_record(path: Path, kind: type[RecordT]) -> RecordT:
    """The dataclass of type `kind` that `write_record` wrote.

    Raises:
        AugcliError: it can't be read, or isn't one.
    """
    try:
        return from_plain(kind, json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise AugcliError(
            f"{path}: not a record of a benchmark: {error}; remove it, and run the benchmark again"
        ) from error


def read_measurements(path: Path) -> Measurements:
    """What an earlier benchmark measured, for another report of it.

    Raises:
        AugcliError: the file can't be read, or is of another version.
    """
    measurements = read_record(path, Measurements)
    if measurements.version != VERSION:
        raise AugcliError(
            f"{path}: is of version {measurements.version}, expected {VERSION}: run the benchmark "
            "again"
        )
    return measurements
