"""Every epoch of a run, whatever its batches, covers its stretch of the schedule exactly."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest

from augcli.manifests.errors import UsageError
from augcli.train.config import TrainConfig
from augcli.train.course import build_course, check_course
from augcli.train.order import Share
from augcli.train.pace import Timeline

SAMPLES = 100
ALL = Share()


def timeline(share: Share = ALL, **options: object) -> Timeline:
    config = TrainConfig(**{"batch_size": 10, "epochs": 6, **options})  # type: ignore[arg-type]
    return build_course(config, 32, SAMPLES, share, validated=True).timeline


def positions(course: Timeline) -> list[list[int]]:
    epochs = range(course.planned)
    return [[course.position(e, b) for b in range(course.batches(e))] for e in epochs]


def test_without_stages_steps_are_positions() -> None:
    course = timeline()
    assert [*chain(*positions(course))] == [*range(60)]
    assert course.steps_before(6) == course.steps == 60
    assert {course.stage(epoch).size for epoch in range(7)} == {32}


def test_larger_batches_stride_over_the_schedule_and_reach_each_epochs_end() -> None:
    course = timeline(sizes="8,16,32", size_batches="auto")
    assert [course.stage(epoch).size for epoch in range(6)] == [8, 8, 16, 16, 32, 32]
    assert [course.stage(epoch).batch_size for epoch in range(6)] == [160, 160, 40, 40, 10, 10]
    assert [course.batches(epoch) for epoch in range(6)] == [1, 1, 3, 3, 10, 10]
    assert positions(course) == [
        [9], [19], [23, 26, 29], [33, 36, 39], [*range(40, 50)], [*range(50, 60)],
    ]  # fmt: skip
    assert course.steps_before(6) == 28
    assert [course.progress(epoch, 0) for epoch in (0, 3, 6)] == [0, 0.5, 1]
    assert course.progress(2, 3) == 0.5


def test_smaller_batches_share_the_positions() -> None:
    course = timeline(sizes="8,32", size_batches="10,5", size_epochs="5,1")
    assert course.batches(5) == 20
    assert positions(course)[5] == [50 + step // 2 for step in range(20)]


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_every_epoch_has_every_sample_on_some_rank(ranks: int) -> None:
    for epoch in range(6):
        parts = [
            timeline(Share(rank, ranks), sizes="8,32", size_batches="64,7").batching(epoch)
            for rank in range(ranks)
        ]
        order = np.arange(SAMPLES)
        shares = [part.of_global_batches(order) for part in parts]
        assert len({len(share) for share in shares}) == 1
        assert sorted(np.concatenate([*chain(*shares)]).tolist()) == order.tolist()


def test_an_epoch_that_is_not_planned_stands_still() -> None:
    course = timeline(epochs=30, budget="1m", sizes="8,32")
    assert course.planned == 0 and not course.is_whole
    assert {course.position(0, batch) for batch in range(10)} == {0}
    planned = course.with_mark(course.steps // 2)
    assert planned.position(0, 9) == planned.steps // 2 - 1
    assert planned.stage(1).size == 32
    assert planned.with_mark(planned.steps).is_whole


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": "32,16"}, r"--sizes 32,16: expected sizes .* each larger than the one before"),
        ({"sizes": "4,16"}, r"--sizes 4,16: expected sizes of 8 pixels or more"),
        ({"sizes": "8;16"}, r"--sizes: '8;16': expected whole numbers"),
        ({"sizes": "8,,16"}, r"--sizes: '8,,16': expected whole numbers"),
        ({"sizes": "16,64"}, r"--sizes 16,64: the images of this dataset have 32 pixels"),
        ({"size_epochs": "3,3"}, r"--size-epochs goes with --sizes"),
        ({"size_batches": "auto"}, r"--size-batches goes with --sizes"),
        ({"sizes": "8,16", "size_epochs": "3"}, r"--size-epochs 3: 1 numbers for 2 --sizes"),
        ({"sizes": "8,16", "size_epochs": "3,4"}, r"are 7 epochs in all, and --epochs is 6"),
        ({"sizes": "8,16", "size_epochs": "6,0"}, r"--size-epochs: '6,0': expected whole numbers"),
        ({"sizes": "8,16", "size_batches": "8"}, r"--size-batches 8: 1 numbers for 2 --sizes"),
        ({"sizes": "8,9,10,11,12,13,14"}, r"7 sizes need as many --epochs, which are 6"),
        ({"budget": "5m"}, r"--epochs and --budget both say how long"),
        ({"epochs": 30, "budget": "soon"}, r"--budget: 'soon' is no duration: expected one as 90s"),
        ({"epochs": 30, "budget": "5m", "warmup_epochs": 1.0, "sched": "cosine"}, r"--warmup-epo"),
        (
            {"epochs": 30, "budget": "5m", "sched": "multistep", "milestones": "3"},
            r"--milestones counts epochs, and with --budget nobody knows",
        ),
        ({"epochs": 30, "budget": "5m", "sched": "exponential", "gamma": 0.9}, r"--gamma counts"),
        ({"sched": "step", "snapshots": True}, r"--snapshots are taken where cycles"),
    ],
)
def test_bad_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        timeline(**options)
    if "this dataset" not in message:
        with pytest.raises(UsageError, match=message):
            check_course(TrainConfig(**{"epochs": 6, **options}))  # type: ignore[arg-type]


def test_work_is_counted_in_pixels() -> None:
    course = timeline(epochs=2, sizes="8,16")
    assert [course.work(epoch, batch) for epoch, batch in ((0, 0), (0, 5), (0, 10))] == [
        0,
        0.1,
        0.2,
    ]
    assert [course.work(epoch, batch) for epoch, batch in ((1, 0), (1, 10))] == [0.2, 1]
