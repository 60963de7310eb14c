"""The pure parts of `benchmarks/expand.py`: its checks, choices, ratios and report."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def jpeg(number: int, size: int = 16, **options: Any) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (size, size, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **{"quality": 90, **options})
    return buffer.getvalue()


def a_work(**changes: Any) -> Any:
    from side_by_side.work import Work

    work = Work("data", "out", 16, 2, 2, "flat", "flat.yaml")
    return replace(work, **changes)


def a_run(seconds: float, others: float = 0.0) -> Any:
    from side_by_side.inspection import inspect
    from side_by_side.running import Run

    found = inspect(jpeg(number) for number in range(4))
    return Run(seconds, 4 / seconds, seconds * 2, 10**8, others, found)


def results(**changes: Any) -> Any:
    from side_by_side.report import Results, floor_of

    stages = dict.fromkeys(
        ("read", "decode", "resize", "draw", "warp", "table", "encode", "record"), 100.0
    )
    whole = Results(
        work=a_work(),
        images=2,
        image_bytes=10**6,
        rounds=3,
        runs={
            "augcli": [a_run(1), a_run(2), a_run(4)],
            "keras": [a_run(10), a_run(10), a_run(20)],
        },
        left_out={"litdata": "not installed: litdata"},
        floor=floor_of([stages], [stages, stages], a_work()),
        machine={"cores": "2"},
        load_before=0.0,
    )
    return replace(whole, **changes)


@pytest.mark.parametrize("quality", [10, 50, 75, 85, 90, 95, 100])
def test_quality_is_read_from_the_tables(quality: int) -> None:
    from side_by_side.inspection import quality_of

    with Image.open(io.BytesIO(jpeg(0, quality=quality))) as image:
        assert quality_of(image.quantization) == quality  # type: ignore[attr-defined]


def test_equal_work_has_no_faults() -> None:
    from side_by_side.inspection import faults, inspect

    assert faults(inspect(jpeg(number) for number in range(4)), a_work(), images=2) == []


@pytest.mark.parametrize(
    ("views", "fault"),
    [
        ([], "0 views"),
        ([jpeg(0), jpeg(1), jpeg(2)], "3 views of 2 images x 2"),
        ([jpeg(0)] * 4, "only 1 of 4 views are distinct"),
        ([jpeg(n, size=17) for n in range(4)], "sizes 17x17"),
        ([jpeg(n, quality=75) for n in range(4)], "JPEG qualities 75"),
        ([jpeg(n, subsampling=0) for n in range(4)], "subsampling 4:4:4"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_work_is_named(views: list[bytes], fault: str) -> None:
    from side_by_side.inspection import faults, inspect

    assert fault in "; ".join(faults(inspect(views), a_work(), images=2))


def test_a_limit_chooses_the_same_images_wherever_they_are() -> None:
    from side_by_side.data import choose

    here = [Path(f"a/{c}/{n}.jpg") for c in "xy" for n in range(20)]
    there = [Path("b") / path.relative_to("a") for path in here]
    chosen = choose(here, 7)
    assert len(chosen) == 7
    assert [path.name for path in choose(there, 7)] == [path.name for path in chosen]
    assert choose(here, None) == choose(here, 100) == here


def test_images_are_gathered_and_dealt_out(photos: Path, tmp_path: Path) -> None:
    from side_by_side.data import find_images, gather, training_folder

    images = find_images(training_folder(photos))
    assert gather(images, tmp_path / "data") == sum(image.stat().st_size for image in images)
    work = a_work(data=str(tmp_path / "data"), workers=5)
    assert len(work.images()) == len(images)
    assert sorted(image for part in work.parts() for image in part) == work.images()
    assert {label for _, label in work.images()} == {0, 1, 2}


def test_only_the_training_split_is_used(split_photos: Path) -> None:
    from side_by_side.data import find_images, training_folder

    assert len(find_images(training_folder(split_photos))) == 18


def test_work_survives_its_file(tmp_path: Path) -> None:
    from side_by_side.work import read_work

    a_work().write(tmp_path / "work.json")
    assert read_work(tmp_path / "work.json") == a_work()


@pytest.mark.parametrize("name", ["flat", "elastic", "noise", "autoaugment"])
def test_augcli_reads_every_policy(name: str, tmp_path: Path) -> None:
    from side_by_side.policies import POLICIES, policy_argument

    from augcli.augment.policy import resolve_policy

    argument = policy_argument(name, tmp_path)
    names = resolve_policy(argument, 32).build().transform_names
    policy = POLICIES[name]
    if isinstance(policy, list):
        assert list(names) == [transform["__class_fullname__"] for transform in policy]


def test_every_peer_has_a_module_and_known_policies() -> None:
    from side_by_side.peers import PEERS
    from side_by_side.policies import MIN_DISTINCT, POLICIES

    assert set(MIN_DISTINCT) == set(POLICIES)
    for peer in PEERS.values():
        assert (BENCHMARKS / f"{peer.module.replace('.', '/')}.py").is_file()
        assert peer.policies <= set(POLICIES)


def test_missing_peers_are_named() -> None:
    from side_by_side.peers import Peer

    assert Peer("", "", ("json", "no_such_module")).missing() == ["no_such_module"]


def test_ratios_are_of_medians_and_extremes_of_rounds() -> None:
    base, keras = results().rows()
    assert (base.name, keras.name) == ("augcli", "keras")
    assert keras.times == pytest.approx(5)
    assert (keras.lowest_times, keras.highest_times) == pytest.approx((5, 10))
    assert base.times == 1


def test_the_floor_is_the_sum_of_its_stages() -> None:
    floor = results().floor
    # 3 stages of an image by 2 copies, and 5 of a view, of 100 µs each; on 2 workers
    assert floor.alone_views_per_second == pytest.approx(2e6 / 650)


def test_the_report_tells_what_is_missing_and_what_differs() -> None:
    from side_by_side.report import markdown

    text = markdown(results())
    assert "- litdata optimize: not installed: litdata" in text
    assert "no contrast" in text
    assert "| 5.00 |" in text
    assert "shared machine" not in text
    assert "shared machine" in markdown(results(runs={"augcli": [a_run(1, others=0.4)]}))
    assert "floor" not in markdown(results(floor=None))


def test_results_are_json() -> None:
    import json

    content = json.loads(json.dumps(results().to_json()))
    assert [row["name"] for row in content["rows"]] == ["augcli", "keras"]
    assert len(content["runs"]["keras"]) == 3
