"""`benchmarks/read.py`: every reader on a dozen images, its checks, its bounds and its report."""

from __future__ import annotations

import importlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
IMAGES = 12
SIZE = 32
BATCH = 5
READERS = (
    *("augcli-jpeg", "augcli-npy", "augcli-memory", "augcli-fly", "augcli-fly-memory"),
    *("webdataset", "webdataset-cv2", "webdataset-simplejpeg", "dataloader", "datasets"),
    *("litdata", "mosaicml", "ffcv-jpeg", "ffcv-raw", "dali", "dali-chw"),
    *("folder-albumentations", "folder-tv-tensor", "folder-tv-pil"),
)


@pytest.fixture(scope="module")
def work(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The stored views of a dozen images, and what they look like; an image can't be read."""
    from side_by_side.data import choose, find_images, gather
    from side_by_side.policies import policy_argument
    from side_by_side.reading.reference import make_reference
    from side_by_side.reading.running import expand, remove_unused
    from side_by_side.reading.work import ReadWork

    folder = tmp_path_factory.mktemp("read")
    gather(choose(find_images(photos), IMAGES), folder / "data")
    broken = folder / "data" / "circle" / "broken.jpg"
    broken.write_bytes(b"no image")
    made = ReadWork(str(folder), SIZE, BATCH, 1, 0.01, policy_argument("flat", folder))
    for codec in ("jpeg", "npy"):
        assert expand(made, codec, IMAGES, 60) == IMAGES
    assert remove_unused(made) == ["circle/broken.jpg"]
    make_reference(made)
    return made


def reference_of(work: Any) -> Any:
    from side_by_side.reading.reference import read_reference

    return read_reference(work)


def decoded(work: Any) -> tuple[Any, Any, list[str]]:
    """Images, labels and keys of all views."""
    from side_by_side.reading.views import stored_views

    views = list(stored_views(work, "npy"))
    images = np.stack([view.array() for view in views])
    return images, np.array([view.label for view in views]), [view.key for view in views]


def batches_of(images: Any, labels: Any, keys: list[str] | None = None) -> list[Any]:
    from side_by_side.reading.batch import Batch

    return [
        Batch(
            images[first : first + BATCH],
            labels[first : first + BATCH],
            keys and keys[first : first + BATCH],
        )
        for first in range(0, len(images), BATCH)
    ]


def found_wrong(work: Any, batches: list[Any], *, full: bool = True, drawn: bool = False) -> str:
    from side_by_side.reading.tally import FullTally, Tally

    tally = (FullTally if full else Tally)(reference_of(work), work, drawn=drawn)
    for batch in batches:
        tally.add(batch)
    return "; ".join(tally.faults())


def test_all_readers_are_tried() -> None:
    from side_by_side.readers import READERS as REGISTRY

    assert sorted(REGISTRY) == sorted(READERS)


@pytest.mark.filterwarnings("default")  # what peers warn of is theirs
@pytest.mark.parametrize("name", READERS)
def test_every_reader_does_equal_work(name: str, work: Any) -> None:
    from side_by_side.readers import READERS as REGISTRY
    from side_by_side.reading.measure import measure
    from side_by_side.reading.running import here, kilobytes_per_image

    left_out = here([name])[1]
    if left_out:
        pytest.skip(left_out[name])
    reader = REGISTRY[name]
    if reader.converts:
        output = work.converted(name)
        output.parent.mkdir(exist_ok=True)
        importlib.import_module(reader.module).convert(work, reader.variant, output)
    measured = measure(name, work, time.monotonic())
    assert measured.images == IMAGES * measured.epochs > 0
    assert measured.images_per_second > 0
    assert measured.layout in ("HWC", "CHW")
    assert 0 < measured.first_batch_seconds <= measured.start_seconds  # type: ignore[operator]
    assert kilobytes_per_image(name, work, IMAGES) > 0


@pytest.mark.parametrize("order", ["as stored", "mixed", "planes", "torch"])
def test_equal_work_has_no_faults(order: str, work: Any) -> None:
    import torch

    images, labels, keys = decoded(work)
    if order == "mixed":
        mixed = np.random.default_rng(0).permutation(IMAGES)
        images, labels, keys = images[mixed], labels[mixed], [keys[n] for n in mixed]
    if order == "planes":
        images = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    if order == "torch":
        images, labels = torch.from_numpy(images), torch.from_numpy(labels)
    batches = batches_of(images, labels, keys)
    assert found_wrong(work, batches) == ""
    assert found_wrong(work, batches, full=False) == ""
    assert found_wrong(work, batches, drawn=True) == ""


def other_label(images: Any, labels: Any, keys: list[str]) -> Any:
    first, other = 0, int(np.flatnonzero(labels != labels[0])[0])
    labels[[first, other]] = labels[[other, first]]
    return batches_of(images, labels)


def again(images: Any, labels: Any, keys: list[str]) -> Any:
    twin = int(np.flatnonzero(labels == labels[0])[1])
    images[twin] = images[0]
    return batches_of(images, labels)


WRONG: dict[str, tuple[Callable[[Any, Any, list[str]], Any], str]] = {
    "missing": (lambda i, n, k: batches_of(i[1:], n[1:]), "11 images in an epoch of 12"),
    "once more": (
        lambda i, n, k: batches_of(np.append(i, i[:1], 0), np.append(n, n[0])),
        "13 images in an epoch of 12",
    ),
    "again instead of another": (again, "1 views do not come exactly once"),
    "another's label": (other_label, "or not of its label"),
    "unknown label": (lambda i, n, k: batches_of(i, n + 7), "an unknown label"),
    "blue first": (lambda i, n, k: batches_of(i[..., ::-1], n), "is no view"),
    "floats": (lambda i, n, k: batches_of(i / np.float32(255), n), "float32 5x32x32x3"),
    "smaller": (lambda i, n, k: batches_of(i[:, ::2, ::2], n), "uint8 5x16x16x3"),
    "darker": (lambda i, n, k: batches_of(i // 2, n), "on average instead of"),
    "one by one": (
        lambda i, n, k: [batch for s in range(IMAGES) for batch in batches_of(*at(i, n, s))],
        "12 batches, so of less than 5 images",
    ),
    "fewer labels": (lambda i, n, k: [bare(i, n[1:])], "another number of labels"),
    "unknown key": (lambda i, n, k: batches_of(i, n, ["?", *k[1:]]), "an unknown key"),
    "key again": (lambda i, n, k: batches_of(i, n, [k[1], *k[1:]]), "keys do not come exactly"),
}


def at(images: Any, labels: Any, number: int) -> tuple[Any, Any]:
    return images[number : number + 1], labels[number : number + 1]


def bare(images: Any, labels: Any) -> Any:
    from side_by_side.reading.batch import Batch

    return Batch(images, labels)


@pytest.mark.parametrize("what", list(WRONG))
def test_other_work_is_named(what: str, work: Any) -> None:
    make, fault = WRONG[what]
    assert fault in found_wrong(work, make(*decoded(work)))


def test_drawn_views_need_keys(work: Any) -> None:
    images, labels, _ = decoded(work)
    assert "without keys" in found_wrong(work, batches_of(images, labels), drawn=True)


@pytest.mark.parametrize("what", ["missing", "unknown label", "smaller", "darker", "floats"])
def test_timed_epochs_are_looked_at_too(what: str, work: Any) -> None:
    make, fault = WRONG[what]
    assert fault in found_wrong(work, make(*decoded(work)), full=False)


def test_views_that_look_the_same_are_told_apart_by_number(work: Any) -> None:
    from side_by_side.reading.tally import FullTally

    reference = reference_of(work)
    twins = np.flatnonzero(reference.labels == reference.labels[0])[:2]
    cells = reference.cells.copy()
    cells[twins[1]] = cells[twins[0]]
    images, labels, _ = decoded(work)
    images[twins[1]] = images[twins[0]]
    tally = FullTally(replace(reference, cells=cells), work, drawn=False)
    for batch in batches_of(images, labels):
        tally.add(batch)
    assert not [fault for fault in tally.faults() if "average" not in fault]


@pytest.mark.parametrize("wrong_epoch", [0, 1, 2])
def test_a_missing_sample_stops_a_run(
    wrong_epoch: int, work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from side_by_side.processes import PeerError
    from side_by_side.readers import READERS as REGISTRY
    from side_by_side.readers import Reader
    from side_by_side.reading.measure import measure

    images, labels, _ = decoded(work)

    @contextmanager
    def open_reader(work: Any, variant: str) -> Iterator[Any]:
        def epochs(epoch: int) -> Iterator[Any]:
            first = int(epoch == wrong_epoch)
            yield from batches_of(images[first:], labels[first:])

        yield epochs

    module = ModuleType("forgetful")
    module.open_reader = open_reader  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "forgetful", module)
    monkeypatch.setitem(REGISTRY, "forgetful", Reader("Forgetful", "forgetful"))
    with pytest.raises(PeerError, match="11 images in an epoch of 12"):
        measure("forgetful", work, time.monotonic())


@pytest.mark.parametrize("name", ["decode-threads", "decode-processes", "copy-threads"])
def test_bounds_are_of_all_workers(name: str, work: Any) -> None:
    from side_by_side.reading.bound import measure_bound

    measured = measure_bound(name, replace(work, workers=2))
    assert measured.images > 2 * work.workers
    assert measured.images_per_second > 0


def test_bounds_come_with_their_readers() -> None:
    from side_by_side.reading.running import bounds_of

    assert bounds_of(["augcli-jpeg"]) == ["decode-threads", "decode-processes"]
    assert bounds_of(["augcli-npy"]) == ["copy-threads", "copy-processes"]
    assert bounds_of(["folder-tv-pil"]) == []


@pytest.mark.parametrize(("images", "workers"), [(12, 1), (600, 2), (3068, 2), (50_000, 8)])
def test_workers_have_as_many_shards_each(images: int, workers: int) -> None:
    from side_by_side.reading.work import ReadWork

    size = ReadWork("", SIZE, BATCH, workers, 1, "").shard_images(images)
    assert -(-images // size) % workers == 0
    assert size <= 1000


def test_who_is_not_here_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from side_by_side.readers import READERS as REGISTRY
    from side_by_side.reading.running import here

    for name, change in {
        "dali": {"needs": ("json", "no_such_package.module")},
        "augcli-memory": {"option": "no_such_option"},
    }.items():
        monkeypatch.setitem(REGISTRY, name, replace(REGISTRY[name], **change))
    names, left_out = here(["augcli-memory", "webdataset", "dali"])
    assert names == ["webdataset"]
    assert left_out == {
        "augcli-memory": "augcli train has no --no_such_option here",
        "dali": "not installed: no_such_package.module",
    }


def test_work_survives_its_file(work: Any, tmp_path: Path) -> None:
    from side_by_side.reading.work import load_work

    work.write(tmp_path / "work.json")
    assert load_work(tmp_path / "work.json") == work


def a_run(speed: float, others: float = 0.0) -> Any:
    from side_by_side.processes import Usage
    from side_by_side.reading.measured import Measured
    from side_by_side.reading.running import ReadRun

    return ReadRun(Measured(speed, 100, 100 / speed, 1, 2, 3, "HWC"), Usage(5, 5, 10**8, others))


def results(**changes: Any) -> Any:
    from side_by_side.reading.report import Results
    from side_by_side.reading.work import ReadWork

    speeds = {
        "augcli-jpeg": (4000, 5000, 1000),
        "webdataset": (1000, 900, 2000),
        "ffcv-jpeg": (2000, 2000, 2000),
        "decode-threads": (8000, 8000, 8000),
    }
    whole = Results(
        work=ReadWork("folder", SIZE, BATCH, 2, 1, "flat.yaml"),
        images=100,
        rounds=3,
        runs={name: [a_run(speed) for speed in listed] for name, listed in speeds.items()},
        left_out={"litdata": "not installed: litdata"},
        kilobytes_per_image=dict.fromkeys(speeds, 15.0),
        machine={"cores": "2"},
        load_before=0.0,
    )
    return replace(whole, **changes)


def shown(results: Any) -> str:
    from rich.console import Console
    from side_by_side.reading.report import show

    stream = io.StringIO()
    show(results, Console(file=stream, width=160))
    return stream.getvalue()


def test_ratios_are_of_medians() -> None:
    rows = results().rows()
    assert [row.name for row in rows] == ["augcli-jpeg", "ffcv-jpeg", "webdataset"]
    assert [row.over_base for row in rows] == [4, 2, 1]
    assert [row.of_best for row in rows] == [1, 0.5, 0.25]
    (bound,) = results().bounds()
    assert bound.shares == {"augcli-jpeg": 0.5, "ffcv-jpeg": 0.25, "webdataset": 0.125}


def test_without_plain_webdataset_there_is_no_ratio_to_it() -> None:
    (row,) = results(runs={"augcli-jpeg": [a_run(100)]}).rows()
    assert row.over_base is None
    assert "augcli" in shown(results(runs={"augcli-jpeg": [a_run(100)]}))


def test_the_report_tells_what_is_missing_and_what_differs() -> None:
    text = shown(results())
    assert "litdata, StreamingDataLoader: not installed: litdata" in text
    assert "FFCV, JPEG: its writer takes pixels" in text
    assert "50% augcli, JPEG shards" in text
    assert "25% FFCV, JPEG" in text
    assert "shared machine" not in text
    assert "shared machine" in shown(results(runs={"webdataset": [a_run(1, others=0.4)]}))


@pytest.fixture(scope="module")
def command(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run of the whole command: the JSON, and what was printed."""
    file = tmp_path_factory.mktemp("command") / "results.json"
    options = {
        "--data": photos,
        "--only": "dataloader,augcli-jpeg",
        "--size": SIZE,
        "--batch": 4,
        "--images": 9,
        "--workers": 1,
        "--rounds": 1,
        "--seconds": 0.01,
        "--json": file,
    }
    words = [str(word) for pair in options.items() for word in pair]
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "read.py"), *words],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(file.read_text()), done


def test_the_command_measures_and_reports(command: Any) -> None:
    content, done = command
    assert sorted(row["name"] for row in content["rows"]) == ["augcli-jpeg", "dataloader"]
    assert [row["name"] for row in content["bounds"]] == ["decode-threads", "decode-processes"]
    assert all(len(runs) == 1 for runs in content["runs"].values())
    assert content["images"] == 9
    assert content["machine"]["simplejpeg"]
    assert "mapped shards, simplejpeg, DataLoader" in done.stdout
    assert "round 1/1: augcli-jpeg" in done.stderr
