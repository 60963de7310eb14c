"""Keras' arguments: what is drawn is what its documentation says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from augcli.augment.affine import Map, around_center
from augcli.augment.decode import Pixels
from augcli.augment.keras import FILL_MODES, keras_transforms
from augcli.augment.pipeline import A
from augcli.augment.policy import Policy
from augcli.augment.policy_serial import serialize

DRAWS = 300
SIZE = 40


def policy(**arguments: Any) -> Policy:
    return Policy(serialize(A.Compose(keras_transforms(**arguments))))


def drawn(name: str, read: Callable[[dict[str, Any]], float], **arguments: Any) -> list[float]:
    """What `read` finds in the parameters of `name`, over DRAWS views."""
    made, image = policy(**arguments), np.zeros((SIZE, SIZE, 3), np.uint8)
    values = []
    for seed in range(DRAWS):
        values += [read(parameters) for step, parameters in made(image, seed)[1] if step == name]
    return values


def assert_fills(values: list[float], low: float, high: float) -> None:
    """Within [low, high], and near both ends."""
    margin = (high - low) / 20
    assert len(values) == DRAWS
    assert low - 1e-4 <= min(values) <= low + margin
    assert high - margin <= max(values) <= high + 1e-4


def matrix(row: int, column: int) -> Callable[[dict[str, Any]], float]:
    """An element of the map that the recorded parameters of an `Affine` stand for."""
    return lambda p: affine_map(p)[3 * row + column]


def affine_map(p: dict[str, Any], size: int = SIZE) -> Map:
    scale, (shear_x, shear_y), shift = tuple(p["scale"]), p["shear"], tuple(p["shift"])
    return around_center(
        size,
        size,
        degrees=p["rotate"],
        scale=scale,
        shear_degrees=(-shear_x, -shear_y),
        shift=shift,
    )


def test_rotation_in_degrees() -> None:
    assert_fills(drawn("Affine", lambda p: float(p["rotate"]), rotation_range=20), -20, 20)


@pytest.mark.parametrize(
    ("zoom", "low", "high"),
    [(0.2, 1 / 1.2, 1 / 0.8), ([0.5, 0.8], 1.25, 2.0), ([1.0, 2.0], 0.5, 1.0)],
)
@pytest.mark.parametrize("axis", ["x", "y"])
def test_zoom_enlarges_by_its_inverse(zoom: Any, low: float, high: float, axis: str) -> None:
    assert_fills(
        drawn("Affine", lambda p: float(p["scale"]["xy".index(axis)]), zoom_range=zoom), low, high
    )


def test_zoom_axes_are_independent() -> None:
    x, y = (drawn("Affine", lambda p, a=a: p["scale"][a], zoom_range=0.2) for a in (0, 1))
    assert abs(np.corrcoef(x, y)[0, 1]) < 0.2


@pytest.mark.parametrize(("zoom", "share"), [([0.5, 0.5], 4.0), ([2.0, 2.0], 0.25)])
def test_zoom_direction_in_pixels(zoom: list[float], share: float) -> None:
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    image[15:25, 15:25] = 255
    zoomed, _ = policy(zoom_range=zoom)(image, 1)
    assert zoomed.astype(float).sum() / image.sum() == pytest.approx(share, rel=0.1)


@pytest.mark.parametrize("axis", ["width", "height"])
@pytest.mark.parametrize(("shift", "pixels"), [(0.25, 10), (5, 5), (1, 1)])
def test_shift_by_fraction_or_pixels(axis: str, shift: float, pixels: int) -> None:
    rows = [matrix(0, 2), matrix(1, 2)]
    along, across = rows if axis == "width" else rows[::-1]
    arguments = {f"{axis}_shift_range": shift}
    assert_fills(drawn("Affine", along, **arguments), -pixels, pixels)
    assert set(drawn("Affine", across, **arguments)) == {0.0}


def test_shear_in_degrees() -> None:
    values = drawn("Affine", matrix(0, 1), shear_range=30)
    assert_fills(np.degrees(np.arctan(values)).tolist(), -30, 30)
    assert set(drawn("Affine", matrix(1, 0), shear_range=30)) == {0.0}


def test_brightness_factors() -> None:
    values = drawn("ColorJitter", lambda p: p["brightness"], brightness_range=[0.5, 1.25])
    assert_fills(values, 0.5, 1.25)
    image = np.full((8, 8, 3), 100, np.uint8)
    made = policy(brightness_range=[0.5, 0.5])
    assert np.abs(made(image, 1)[0].astype(int) - 50).max() <= 1


def test_channel_shift_is_one_for_all_channels() -> None:
    """Was: each channel had a shift of its own, which Keras doesn't do."""
    image = np.full((8, 8, 3), (50, 100, 200), np.uint8)
    made = policy(channel_shift_range=20)
    shifts = [made(image, seed)[0].astype(int) - image for seed in range(DRAWS)]
    spread = [int(shift.max() - shift.min()) for shift in shifts]
    assert max(spread) <= 1  # rounding
    assert_fills([float(shift.mean()) for shift in shifts], -20, 20)


@pytest.mark.parametrize(("argument", "axis"), [("horizontal_flip", 1), ("vertical_flip", 0)])
def test_flips_come_half_the_time(argument: str, axis: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    made = policy(**{argument: True})
    views = [made(image, seed)[0] for seed in range(DRAWS)]
    flipped = sum(np.array_equal(view, np.flip(image, axis)) for view in views)
    unchanged = sum(np.array_equal(view, image) for view in views)
    assert flipped + unchanged == DRAWS
    assert 0.4 < flipped / DRAWS < 0.6


EDGES: dict[str, Callable[[Pixels], Pixels]] = {
    "constant": lambda image: np.zeros_like(image[:, :3]),
    "nearest": lambda image: np.repeat(image[:, :1], 3, axis=1),
    "reflect": lambda image: image[:, 2::-1],
    "wrap": lambda image: image[:, -3:],
}


@pytest.mark.parametrize("fill_mode", FILL_MODES)
def test_fill_modes(fill_mode: str) -> None:
    image = np.random.default_rng(0).integers(1, 256, (16, 16, 3), dtype=np.uint8)
    made = policy(width_shift_range=3, fill_mode=fill_mode)
    for seed in range(200):
        view, applied = made(image, seed)
        if affine_map(applied[0][1], 16)[2] == 3:
            assert np.array_equal(view[:, 3:], image[:, :-3])
            assert np.array_equal(view[:, :3], EDGES[fill_mode](image))
            return
    pytest.fail("a shift by three pixels never came")


def test_order_is_keras() -> None:
    made = policy(
        rotation_range=5,
        channel_shift_range=5,
        horizontal_flip=True,
        vertical_flip=True,
        brightness_range=[0.9, 1.1],
    )
    assert made.transform_names == (
        "Affine",
        "RandomBrightnessContrast",
        "HorizontalFlip",
        "VerticalFlip",
        "ColorJitter",
    )


def test_no_arguments_change_nothing() -> None:
    assert keras_transforms() == []


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *(
            (f"{name}_range", value)
            for name in ("rotation", "shear", "channel_shift", "width_shift")
            for value in (-1, "20", float("nan"), float("inf"), [1, 2], None, True)
        ),
        ("height_shift_range", -0.1),
        *(
            ("zoom_range", value)
            for value in (1, -0.1, "0.2", [0, 1], [2, 1], [1], [1, "2"], None, True, [False, True])
        ),
        *(("brightness_range", value) for value in (0.5, [1, 0], [-1, 1], [0, float("inf")])),
        *((f"{axis}_flip", value) for axis in ("horizontal", "vertical") for value in (5, 1, "no")),
        ("fill_mode", "mirror"),
        ("fill_mode", ["nearest"]),
    ],
)
def test_bad_values_name_the_argument(argument: str, value: object) -> None:
    with pytest.raises(ValueError, match=argument):
        keras_transforms(**{argument: value})  # type: ignore[arg-type]


def test_shifts_are_both_fractions_or_both_pixels() -> None:
    with pytest.raises(ValueError, match="both"):
        keras_transforms(width_shift_range=0.5, height_shift_range=4)
