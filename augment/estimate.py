"""What an expansion will cost, from a few views made beforehand: bytes and time, by codec."""

from __future__ import annotations

import shutil
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from statistics import fmean

from augcli.augment.decode import DecodeError
from augcli.augment.encode import codec_named
from augcli.augment.plan import Task
from augcli.augment.task import Job
from augcli.augment.views import ViewMaker
from augcli.manifests.errors import AugcliError
from augcli.shards.tar import BLOCK

SAMPLE_IMAGES = 8
TAR_OVERHEAD = 3 * BLOCK + BLOCK // 2 + BLOCK + 2 * BLOCK  # headers, padding, label, record
FILE_BLOCK = 4096  # of most file systems: a file takes whole ones, on average half of one more
RESERVE = 1.1  # the sample may have been of the smaller images
_TIMES = 3


@dataclass(frozen=True)
class CodecCost:
    """What one view costs as stored by `codec`; microseconds are of one core.

    `bytes_per_view` are of the image, `stored_bytes` of all that it takes on disk.
    """

    codec: str
    bytes_per_view: float
    stored_bytes: float
    encode_microseconds: float
    decode_microseconds: float


@dataclass(frozen=True)
class Estimate:
    """What is to be made: views and bytes with all overhead, and what a view costs.

    `view_microseconds` is what making one view costs without encoding it, its share of reading
    and decoding its image included. `costs` are by codec, the chosen one first.
    """

    views: int
    bytes: int
    view_microseconds: float
    costs: tuple[CodecCost, ...]


def estimate(job: Job, tasks: Sequence[Task], codecs: Sequence[str]) -> Estimate | None:
    """Make a few of the views to be made; None when there are none, or none can be made.

    Raises:
        AugcliError: the policy can't take an image; the message names it.
    """
    views = sum(task.views for task in tasks)
    maker = ViewMaker(job.recipe)
    fitted = []
    began = time.perf_counter()
    for task, number in _spread(tasks):
        sample = task.samples[number]
        try:
            frame = maker.fitted((job.root / sample.source).read_bytes())
        except (DecodeError, OSError):
            continue
        fitted.append((sample, frame, len(task.shards)))
    if not fitted:
        return None
    image_seconds = (time.perf_counter() - began) / len(fitted)
    made = []
    began = time.perf_counter()
    for sample, frame, _ in fitted:
        copy = 1 if sample.split == "train" else 0
        made.append(maker.named_view(frame, sample, copy).rgbx.copy())
    seconds = (time.perf_counter() - began) / len(made)
    shares = fmean(rounds for _, _, rounds in fitted)
    costs = tuple(_cost(codec, made, job) for codec in codecs)
    total = round(views * costs[0].stored_bytes)
    return Estimate(views, total, (image_seconds / shares + seconds) * 1e6, costs)


def check_space(dataset: Path, wanted: Estimate, views: int, room: str) -> None:
    """Refuse what can't fit: `views` of those estimated are still to be made.

    `room` is what people call the disk of the folder `dataset`.

    Raises:
        AugcliError: saying how much is needed and how much is free.
    """
    folder = dataset.absolute()
    while not folder.exists():
        folder = folder.parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError:  # a file system that doesn't say
        return
    needed = wanted.bytes * views / wanted.views
    if needed * RESERVE > free:
        raise AugcliError(
            f"{room}: about {_amount(needed)} are needed and {_amount(free)} are free "
            "there: make room, name a folder elsewhere, or ask for fewer --copies, a smaller "
            "--size or a lower --quality"
        )


def _amount(number: float) -> str:
    return f"{number / 1e9:,.2f} GB" if number >= 1e8 else f"{number / 1e6:,.2f} MB"


def _spread(tasks: Sequence[Task]) -> Iterator[tuple[Task, int]]:
    """Some samples of the tasks, evenly: task, and number of the sample in it."""
    ends = list(accumulate(len(task.samples) for task in tasks))
    count = ends[-1] if ends else 0
    step = max(1, count // SAMPLE_IMAGES)
    for number in range(step // 2, count, step)[:SAMPLE_IMAGES]:
        at = bisect_right(ends, number)
        yield tasks[at], number - (ends[at] - len(tasks[at].samples))


def _cost(name: str, views: Sequence[object], job: Job) -> CodecCost:
    codec = codec_named(name)
    encoded: list[bytes] = []
    encode_seconds, decode_seconds = [], []
    for pixels in views:
        times = []
        for _ in range(_TIMES):
            start = time.perf_counter()
            data = codec.encode(pixels, job.quality)  # type: ignore[arg-type]
            middle = time.perf_counter()
            codec.decode(data)
            times.append((middle - start, time.perf_counter() - middle))
        encoded.append(data)
        encode_seconds.append(min(first for first, _ in times))
        decode_seconds.append(min(second for _, second in times))
    return CodecCost(
        name,
        fmean(map(len, encoded)),
        _stored_bytes(fmean(map(len, encoded)), job.format),
        fmean(encode_seconds) * 1e6,
        fmean(decode_seconds) * 1e6,
    )


def _stored_bytes(image_bytes: float, format: str) -> float:
    if format == "tar":
        return image_bytes + TAR_OVERHEAD
    return max(FILE_BLOCK, image_bytes + FILE_BLOCK / 2)
