"""A compiled view depends on the frame and the seed only: law 1, at its root."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import pytest

from augcli.augment.decode import Pixels
from augcli.augment.frame import Frame, rgbx_of
from augcli.augment.pipeline import A
from augcli.augment.policy import Policy, resolve_policy
from augcli.augment.seeding import ViewStream
from augcli.manifests.errors import AugcliError

SIDE = 48
SEEDS = [*range(12), 1 << 64, (1 << 128) - 1]
Serialized = Callable[[Sequence[Any]], dict[str, Any]]

POLICIES: dict[str, Callable[[], list[Any]]] = {
    "geometry": lambda: [A.D4(p=0.5), A.Rotate(border_mode=2), A.RandomResizedCrop((SIDE, SIDE))],
    "light": lambda: [A.RandomGamma(), A.RandomToneCurve(), A.RGBShift(), A.Posterize()],
    "all": lambda: [
        A.HorizontalFlip(),
        A.GaussNoise(),
        A.Affine(rotate=(-20, 20), border_mode=4),
        A.SomeOf([A.RandomGamma(), A.GaussianBlur(), A.Transpose(p=1)], n=2),
        A.OneOf([A.ElasticTransform(), A.PixelDropout(), A.InvertImg()]),
        A.Rotate(limit=20, border_mode=1),
    ],
}


def frame(number: int) -> Frame:
    noise = np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    made = Frame(rgbx_of(np.asarray(cv2.GaussianBlur(noise, (5, 5), 0), np.uint8)))
    made.pixels.flags.writeable = False  # nothing may write into it
    return made


@pytest.mark.parametrize("name", POLICIES)
def test_any_order_and_any_history_give_the_same_bytes(name: str, serialized: Serialized) -> None:
    text = serialized(POLICIES[name]())
    frames = [frame(number) for number in range(3)]
    expected = {}
    for number in range(3):
        for seed in SEEDS:
            pixels, applied = Policy(text).draw(frame(number), seed)  # all anew
            expected[number, seed] = (pixels.tobytes(), applied)
    assert len(set(expected.values())) > len(SEEDS)
    policy = Policy(text)
    for order in range(3):
        tasks = list(expected)
        np.random.default_rng(order).shuffle(tasks)
        for number, seed in tasks:
            pixels, applied = policy.draw(frames[number], seed)
            assert (pixels.tobytes(), applied) == expected[number, seed]
    for number, one in enumerate(frames):
        assert one.pixels.tobytes() == frame(number).pixels.tobytes()


@pytest.mark.parametrize("name", POLICIES)
def test_a_failed_view_leaves_nothing_behind(name: str, serialized: Serialized) -> None:
    """A transform that raises midway, with a turn, a resampling and a table waiting."""
    policy = Policy(serialized(POLICIES[name]()))
    expected = [policy.draw(frame(1), seed)[0].tobytes() for seed in SEEDS]
    broken = Policy(
        serialized([A.D4(p=1), A.Rotate(p=1), A.RandomGamma(p=1), A.RandomResizedCrop((8, 8))])
    )
    broken._canvas = policy._canvas
    for seed, bytes_of_view in zip(SEEDS, expected, strict=True):
        with pytest.raises(AugcliError, match="must keep size"):
            broken.draw(frame(2), seed)
        assert policy.draw(frame(1), seed)[0].tobytes() == bytes_of_view


def test_views_for_keeps_are_not_changed_by_later_ones(serialized: Serialized) -> None:
    policy = Policy(serialized(POLICIES["all"]()))
    image = frame(0).rgb
    views = [policy(image, seed)[0] for seed in SEEDS]
    copies = [view.copy() for view in views]
    for seed in SEEDS:
        policy(image, seed ^ 1)
    assert all((view == copy).all() for view, copy in zip(views, copies, strict=True))
    assert all(view.flags.writeable for view in views)


@pytest.mark.parametrize("name", ["top-down", "augmentor", "keras"])
def test_presets_write_into_no_frame(name: str) -> None:
    policy, one = resolve_policy(name, SIDE).build(), frame(0)
    before: Pixels = one.pixels.copy()
    for seed in SEEDS:
        policy.draw(one, seed)
    assert (one.pixels == before).all()


# ---- the stream, seeded only when drawn from


def draw_unevenly(stream: ViewStream) -> None:
    """Leave halves behind: of a 64-bit word, of a buffer, of a pair of normal deviates."""
    stream.numpy.integers(0, 9, dtype=np.uint32)
    stream.numpy.standard_normal(3)
    stream.python.gauss()


def drawn(stream: ViewStream) -> tuple[object, ...]:
    return (
        stream.python.random(),
        stream.python.gauss(),
        int(stream.numpy.integers(0, 1 << 31, dtype=np.uint32)),
        float(stream.numpy.random()),
        *stream.numpy.standard_normal(4),
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("before", ["nothing", "python", "numpy", "all", "twice"])
def test_a_stream_forgets_what_was_drawn_before(seed: int, before: str) -> None:
    fresh = ViewStream()
    fresh.reseed(seed)
    stream = ViewStream()
    stream.reseed(77)
    if before == "python":
        _ = stream.python.random()
    elif before == "numpy":
        _ = stream.numpy.random()
    elif before != "nothing":
        draw_unevenly(stream)
    stream.reseed(seed)
    if before == "twice":
        draw_unevenly(stream)
        stream.reseed(seed)
    assert drawn(stream) == drawn(fresh)


def test_references_held_from_before_are_seeded_by_seed_all() -> None:
    stream, fresh = ViewStream(), ViewStream()
    numpy, python = stream.numpy, stream.python
    for seed in SEEDS:
        stream.reseed(seed)
        fresh.reseed(seed)
        stream.seed_all()
        assert (numpy.random(), python.random()) == (fresh.numpy.random(), fresh.python.random())
        stream.seed_all()  # in the middle of a view it seeds nothing again
        assert (numpy.random(), python.random()) == (fresh.numpy.random(), fresh.python.random())
    assert stream.numpy is numpy
    assert stream.python is python


@pytest.mark.parametrize("bit", [0, 31, 32, 63, 64, 100, 127])
def test_every_bit_of_the_seed_counts_in_both_generators(bit: int) -> None:
    stream = ViewStream()
    draws = []
    for seed in (12345, 12345 ^ (1 << bit)):
        stream.reseed(seed)
        draws.append((stream.python.random(), float(stream.numpy.random())))
    assert draws[0][0] != draws[1][0]
    assert draws[0][1] != draws[1][1]
