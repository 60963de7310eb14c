"""The floor: what the fastest known stages cost here, one by one, on a sample of the images.

Per image: read the file, decode to RGBX by simplejpeg, resize (linear) what the middle square
keeps. Per view: seven uniform draws and the matrix they make, one cv2.warpAffine of four channels
into a kept buffer, one table of 256 entries by stringzilla in place, JPEG encoding, and a tar
header with sha256 and append. Nothing else is in it: no start-up, no seeding, no labels, no
manifest, no second process to feed.

`python -m side_by_side.floor WORK.json SCRATCH_FILE` prints the stages' microseconds as JSON.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
import simplejpeg
import stringzilla

from side_by_side.processes import PeerError, environment
from side_by_side.work import QUALITY, Work, read_work

PER_IMAGE = ("read", "decode", "resize")
PER_VIEW = ("draw", "warp", "table", "encode", "record")
SAMPLE_IMAGES = 120
WARM_UP_PASSES = 1
MIN_PASSES = 3
MIN_SECONDS = 2.0
BLOCK = 512
JPEG_EXTENSIONS = (".jpg", ".jpeg")

_RAMP = np.arange(256, dtype=np.float32)
_HEADER = bytearray(b"class_name_of_a_sample_0.jpg".ljust(BLOCK, b"\0"))


def view_microseconds(stages: dict[str, float], copies: int) -> float:
    """What one view costs: its own stages, and its share of its image's."""
    of_image = sum(stages[name] for name in PER_IMAGE)
    return of_image / copies + sum(stages[name] for name in PER_VIEW)


def allowed_views_per_second(stages: dict[str, float], copies: int, workers: int) -> float:
    """What the sum of the stages allows on `workers` processes."""
    return workers * 1e6 / view_microseconds(stages, copies)


def median_stages(measured: Sequence[dict[str, float]]) -> dict[str, float]:
    """The median of each stage."""
    return {
        name: statistics.median(stages[name] for stages in measured)
        for name in (*PER_IMAGE, *PER_VIEW)
    }


def measure(work_file: Path, processes: int) -> list[dict[str, float]]:
    """The stages' mean microseconds as found by each of `processes` that run at the same time.

    Raises:
        PeerError: there are no JPEG files to sample, or a process failed.
    """
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "side_by_side.floor", work_file, f"{work_file}.{number}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        for number in range(processes)
    ]
    results = [process.communicate() for process in started]
    for process, (_, messages) in zip(started, results, strict=True):
        if process.returncode != 0:
            raise PeerError((messages.strip().splitlines() or ["the floor failed"])[-1])
    return [json.loads(output) for output, _ in results]


class Stages:
    """The stages in the order in which a worker goes through them, each with a clock."""

    def __init__(self, work: Work, shard: IO[bytes]) -> None:
        self._work = work
        self._shard = shard
        self._fitted = np.empty((work.size, work.size, 4), np.uint8)
        self._view = np.empty_like(self._fitted)
        self._rng = random.Random(work.seed)
        self._seconds = dict.fromkeys((*PER_IMAGE, *PER_VIEW), 0.0)

    def one_pass(self, paths: Sequence[str]) -> dict[str, float]:
        """Mean microseconds of each stage over all images and their views."""
        self._seconds = dict.fromkeys(self._seconds, 0.0)
        self._shard.seek(0)
        for path in paths:
            self._image(path)
            for _ in range(self._work.copies):
                self._one_view()
        views = len(paths) * self._work.copies
        return {
            name: seconds * 1e6 / (len(paths) if name in PER_IMAGE else views)
            for name, seconds in self._seconds.items()
        }

    def _image(self, path: str) -> None:
        size = self._work.size
        t0 = time.perf_counter()
        with open(path, "rb", buffering=0) as file:
            data = file.read()
        t1 = time.perf_counter()
        image = simplejpeg.decode_jpeg(data, "RGBX", min_height=size, min_width=size, min_factor=2)
        t2 = time.perf_counter()
        height, width = image.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = image[top : top + side, left : left + side]
        cv2.resize(square, (size, size), dst=self._fitted, interpolation=cv2.INTER_LINEAR)
        t3 = time.perf_counter()
        self._add(PER_IMAGE, (t0, t1, t2, t3))

    def _one_view(self) -> None:
        size = self._work.size
        t0 = time.perf_counter()
        matrix, contrast, brightness = self._draw()
        t1 = time.perf_counter()
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cv2.warpAffine(self._fitted, matrix, (size, size), dst=self._view, flags=flags)
        t2 = time.perf_counter()
        table = np.clip(_RAMP * contrast + brightness, 0, 255).astype(np.uint8)
        stringzilla.translate(self._view.data.cast("B"), table.tobytes(), inplace=True)
        t3 = time.perf_counter()
        data = simplejpeg.encode_jpeg(self._view, QUALITY, "RGBX", "420")
        t4 = time.perf_counter()
        self._record(data)
        t5 = time.perf_counter()
        self._add(PER_VIEW, (t0, t1, t2, t3, t4, t5))

    def _draw(self) -> tuple[Any, float, float]:
        """Seven uniform numbers: flip, angle, scale, two shifts, contrast, brightness."""
        draw = self._rng.random
        flip = -1.0 if draw() < 0.5 else 1.0
        angle = (draw() - 0.5) * (math.pi / 3)
        scale = 0.9 + 0.2 * draw()
        size = self._work.size
        across, down = (draw() - 0.5) * 0.2 * size, (draw() - 0.5) * 0.2 * size
        contrast, brightness = 0.8 + 0.4 * draw(), (draw() - 0.5) * 0.4 * 255
        cosine, sine, middle = math.cos(angle) * scale, math.sin(angle) * scale, size / 2
        matrix = np.array(
            [
                [flip * cosine, -sine, middle * (1 - flip * cosine + sine) + across],
                [flip * sine, cosine, middle * (1 - flip * sine - cosine) + down],
            ]
        )
        return matrix, contrast, brightness

    def _record(self, data: bytes) -> None:
        header = bytearray(_HEADER)
        header[124:136] = b"%011o\0" % len(data)
        header[148:156] = b"%06o\0 " % (sum(header[:148]) & 0o777777)
        hashlib.sha256(data).hexdigest()
        self._shard.write(header)
        self._shard.write(data)
        self._shard.write(bytes(-len(data) % BLOCK))

    def _add(self, names: Sequence[str], times: Sequence[float]) -> None:
        for name, start, end in zip(names, times, times[1:], strict=False):
            self._seconds[name] += end - start


def sample(work: Work) -> list[str]:
    """Paths of JPEG images, evenly over the data."""
    paths = [path for path, _ in work.images() if path.lower().endswith(JPEG_EXTENSIONS)]
    return paths[:: max(1, len(paths) // SAMPLE_IMAGES)][:SAMPLE_IMAGES]


def main(work: Work, shard_path: Path) -> None:
    """Pass over the sample until there is enough to take medians of."""
    cv2.setNumThreads(0)
    paths = sample(work)
    if not paths:
        sys.exit("no JPEG files to measure the floor on")
    with open(shard_path, "wb", buffering=1 << 20) as shard:
        stages = Stages(work, shard)
        for _ in range(WARM_UP_PASSES):
            stages.one_pass(paths)
        until = time.perf_counter() + MIN_SECONDS
        passes: list[dict[str, float]] = []
        while len(passes) < MIN_PASSES or time.perf_counter() < until:
            passes.append(stages.one_pass(paths))
    shard_path.unlink()
    print(json.dumps(median_stages(passes)))


if __name__ == "__main__":
    main(read_work(sys.argv[1]), Path(sys.argv[2]))
