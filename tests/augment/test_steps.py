"""Steps: coins, the tables of pointwise transforms, and the record of what was applied."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from augcli.augment.canvas import Canvas
from augcli.augment.compiler import POINTWISE, compile_node
from augcli.augment.decode import Pixels
from augcli.augment.frame import Frame, rgb_of, rgbx_of
from augcli.augment.pipeline import A
from augcli.augment.policy_serial import serialize
from augcli.augment.seeding import ViewStream
from augcli.augment.steps import Foreign, Pointwise, Step, flattened, happens, plain
from augcli.augment.steps_light import linear_table
from augcli.manifests.errors import AugcliError

SEEDS = range(25)


def every_level(height: int = 16) -> Pixels:
    """All 256 levels in each channel, each next to others, in no order."""
    rng = np.random.default_rng(0)
    levels = np.arange(256 * height * 16 // 256) % 256
    channels = [rng.permutation(levels).reshape(height, 16) for _ in range(3)]
    return np.stack(channels, axis=2).astype(np.uint8)


class Scripted(ViewStream):
    """A stream that counts the coins that were asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    @property
    def python(self) -> Any:
        """Counts."""
        self.asked += 1
        return super().python


@pytest.mark.parametrize(
    ("p", "force", "coins"), [(0.0, True, 0), (0.0, False, 0), (1.0, False, 0), (0.3, True, 0)]
)
def test_what_is_certain_takes_no_coin(p: float, force: bool, coins: int) -> None:
    stream = Scripted()
    assert happens(p, stream, force) is (p > 0)
    assert stream.asked == coins


def test_a_coin_is_one_draw() -> None:
    stream = ViewStream()
    stream.reseed(5)
    coins = [happens(0.4, stream, False) for _ in range(2000)]
    stream.reseed(5)
    assert coins == [stream.python.random() < 0.4 for _ in range(2000)]
    assert 0.35 < np.mean(coins) < 0.45


# ---- tables


POINTWISE_CASES: dict[str, list[Any]] = {
    "InvertImg": [A.InvertImg(p=1)],
    "Posterize": [A.Posterize((1, 7), p=1), A.Posterize([[1, 7], [2, 3], [5, 6]], p=1)],
    "RandomToneCurve": [
        A.RandomToneCurve(scale=1.0, p=1),
        A.RandomToneCurve(scale=1.0, per_channel=True, p=1),
    ],
    "RGBShift": [
        A.RGBShift(p=1),
        A.RGBShift((-255, 255), (-255, 0), (0, 255), p=1),
        A.RGBShift((-1, 1), (0, 0.5), (0, 0), p=1),
        A.RGBShift((9, 9), (9, 9), (9, 9), p=1),
    ],
    "Solarize": [A.Solarize(p=1), A.Solarize((0, 1), p=1), A.Solarize((1, 1), p=1)],
}


def test_every_pointwise_transform_has_its_cases() -> None:
    assert set(POINTWISE_CASES) == POINTWISE


@pytest.mark.parametrize("name", sorted(POINTWISE))
def test_pointwise_transforms_map_each_value_by_itself(name: str) -> None:
    """The table from a ramp makes of any picture what the transform makes of it."""
    for transform in POINTWISE_CASES[name]:
        node = serialize(A.Compose([transform]))["transform"]["transforms"][0]
        stream, canvas = ViewStream(), Canvas()
        step = compile_node(node, stream)
        assert isinstance(step, Pointwise)
        for image in (every_level(), every_level(64), every_level()[:1, :1], every_level()[:, :1]):
            for seed in SEEDS:
                stream.reseed(seed)
                canvas.start(Frame(rgbx_of(np.ascontiguousarray(image))))
                step(canvas, stream, [])
                stream.reseed(seed)
                stream.seed_all()
                expected = step.transform(image=image)["image"]
                assert (rgb_of(canvas.pixels()) == expected).all()


@pytest.mark.parametrize("factor", [0.0, 0.31, 1.0, 1.7, 4.0])
@pytest.mark.parametrize("offset", [-300.0, -20.6, 0.0, 20.6, 127.5])
def test_linear_tables_round_down_and_are_cut_off(factor: float, offset: float) -> None:
    exact = np.arange(256) * float(np.float32(factor)) + float(np.float32(offset))
    table = linear_table(factor, offset)
    assert table.dtype == np.uint8
    assert np.abs(np.clip(np.floor(exact), 0, 255) - table).max() <= (factor not in (0.0, 1.0))
    assert (np.diff(table.astype(int)) >= 0).all()


# ---- what is left to albumentations


class Shrinks(A.ImageOnlyTransform):  # type: ignore[misc]
    """A transform that doesn't keep the size."""

    def apply(self, img: Pixels, **params: Any) -> Pixels:
        return img[1:]


class Floats(A.ImageOnlyTransform):  # type: ignore[misc]
    """A transform that doesn't keep the type."""

    def apply(self, img: Pixels, **params: Any) -> Any:
        return img / np.float32(255)


class WritesInPlace(A.ImageOnlyTransform):  # type: ignore[misc]
    """A transform that writes into what it is given."""

    def apply(self, img: Pixels, **params: Any) -> Pixels:
        img[:] = 7
        return img


def run(step: Step, image: Pixels) -> tuple[Pixels, list[str]]:
    stream, canvas, applied = ViewStream(), Canvas(), list[str]()
    canvas.start(Frame(rgbx_of(image)))
    step(canvas, stream, applied)
    return rgb_of(canvas.pixels()), applied


@pytest.mark.parametrize("transform", [Shrinks(p=1), Floats(p=1)])
def test_what_changes_size_or_type_is_named(transform: Any) -> None:
    with pytest.raises(AugcliError, match=type(transform).__name__):
        run(Foreign(transform), every_level())


def test_a_transform_may_write_into_its_image() -> None:
    image = every_level()
    before = image.copy()
    frame = Frame(rgbx_of(image))
    frame.pixels.flags.writeable = False
    canvas = Canvas()
    for _ in range(2):
        canvas.start(frame)
        Foreign(WritesInPlace(p=1))(canvas, ViewStream(), [])
        assert (canvas.pixels()[:, :, :3] == 7).all()
    assert (frame.rgb == before).all()


# ---- the record


def test_records_are_short_json() -> None:
    _, applied = run(Foreign(A.Affine(rotate=(12.3456789, 12.3456789), p=1)), every_level())
    name, drawn = json.loads(applied[0])
    assert name == "Affine"
    assert drawn["rotate"] == 12.3457
    assert not {"shape", "interpolation", "fill", "bbox_matrix"} & set(drawn)


def test_plain_is_what_json_has() -> None:
    value = {
        1: (np.float32(0.5), np.int64(3), np.bool_(True)),
        "array": np.arange(3),
        "large": np.zeros((9, 9)),
        "text": np.str_("h"),
        "none": None,
    }
    expected = {
        "1": [0.5, 3, True],
        "array": [0, 1, 2],
        "large": "array(9, 9)",
        "text": "h",
        "none": None,
    }
    assert plain(value) == expected
    assert json.loads(json.dumps(plain(value))) == expected
    assert type(plain(np.str_("h"))) is str


def test_flattened_opens_compositions() -> None:
    pipeline = A.Compose([A.OneOf([A.D4(), A.Sequential([A.NoOp(), A.GaussNoise()])]), A.D4()])
    step = compile_node(serialize(pipeline)["transform"], ViewStream())
    kinds = [type(leaf).__name__ for leaf in flattened([step])]
    assert kinds == ["Dihedral", "NoOp", "Foreign", "Dihedral"]
    assert flattened([compile_node(serialize(A.Compose([]))["transform"], ViewStream())]) == []
