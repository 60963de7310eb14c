"""Affine maps: composed, turned back, and the same as albumentations' and numpy's."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from albumentations.augmentations.geometric import functional as geometric

from augcli.augment.affine import (
    IDENTITY,
    SYMMETRIES,
    Map,
    around_center,
    compose,
    crop_to_frame,
    inverse,
    reach,
    symmetry,
)

POINTS = np.random.default_rng(0).uniform(-20, 60, (50, 2))
SHAPES = [(1, 1), (1, 6), (5, 4), (6, 6), (7, 7)]


def moved(how: Map, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    a, b, c, d, e, f = how
    x, y = points[:, 0], points[:, 1]
    return np.stack([a * x + b * y + c, d * x + e * y + f], axis=1)


def some_maps() -> list[Map]:
    return [
        IDENTITY,
        around_center(40, 30, degrees=33, scale=(0.7, 1.9), shear_degrees=(9, -4), shift=(3, -5)),
        around_center(7, 7, degrees=-200),
        crop_to_frame((3, 4, 20, 11), 40, 30),
        symmetry("r90", 40, 30),
        symmetry("hvt", 7, 8),
    ]


@pytest.mark.parametrize(("first", "second"), [*itertools.product(some_maps(), repeat=2)])
def test_composed_is_one_after_the_other(first: Map, second: Map) -> None:
    one = moved(compose(second, first), POINTS)
    np.testing.assert_allclose(one, moved(second, moved(first, POINTS)), atol=1e-9)


@pytest.mark.parametrize("how", some_maps())
def test_inverse_leads_back(how: Map) -> None:
    np.testing.assert_allclose(moved(inverse(how), moved(how, POINTS)), POINTS, atol=1e-9)
    np.testing.assert_allclose(compose(how, inverse(how)), IDENTITY, atol=1e-9)


def test_a_flattening_map_has_no_inverse() -> None:
    with pytest.raises(ZeroDivisionError):
        inverse((1.0, 1.0, 0.0, 1.0, 1.0, 0.0))


@pytest.mark.parametrize("seed", range(20))
def test_around_center_is_albumentations_matrix(seed: int) -> None:
    rng = np.random.default_rng(seed)
    width, height = (int(side) for side in rng.integers(1, 200, 2))
    degrees = float(rng.uniform(-800, 800))
    scale, shear, shift = (rng.uniform(*low_high, 2) for low_high in ((0.1, 3), (-40, 40), (-9, 9)))
    theirs = geometric.create_affine_transformation_matrix(
        *({"x": float(x), "y": float(y)} for x, y in (shift, shear, scale)),
        degrees,
        geometric.center((height, width)),
    )
    ours = around_center(
        width,
        height,
        degrees=degrees,
        scale=(scale[0], scale[1]),
        shear_degrees=(shear[0], shear[1]),
        shift=(shift[0], shift[1]),
    )
    np.testing.assert_allclose(np.reshape(ours, (2, 3)), theirs[:2], atol=1e-9)


def test_the_centre_stays_between_the_pixels() -> None:
    middle = np.array([[2.5, 1.0]])  # of a picture 6 wide and 3 high
    how = around_center(6, 3, degrees=77, scale=(2, 0.5), shear_degrees=(10, 5))
    np.testing.assert_allclose(moved(how, middle), middle, atol=1e-12)


NUMPY: dict[str, Callable[[npt.NDArray[np.int64]], npt.NDArray[np.int64]]] = {
    "e": lambda image: image,
    "h": np.fliplr,
    "v": np.flipud,
    "t": np.transpose,
    "hvt": lambda image: np.rot90(image, 2).T,
    "r90": lambda image: np.rot90(image, 1),
    "r180": lambda image: np.rot90(image, 2),
    "r270": lambda image: np.rot90(image, 3),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", SYMMETRIES)
def test_symmetries_are_numpys_pixel_by_pixel(name: str, shape: tuple[int, int]) -> None:
    height, width = shape
    image = np.arange(height * width).reshape(shape)
    turned = NUMPY[name](image)
    y, x = np.mgrid[:height, :width]
    where = moved(symmetry(name, width, height), np.stack([x.ravel(), y.ravel()], axis=1) * 1.0)
    columns, rows = where.T.astype(int)
    assert (turned[rows, columns] == image.ravel()).all()
    assert (where == np.rint(where)).all()


def test_symmetries_are_in_albumentations_order() -> None:
    from albumentations.augmentations.geometric.flip import d4_group_elements

    assert tuple(d4_group_elements) == SYMMETRIES


@pytest.mark.parametrize("box", [(0, 0, 40, 30), (3, 4, 20, 11), (39, 29, 40, 30)])
def test_a_crop_fills_the_frame_edge_to_edge(box: tuple[int, int, int, int]) -> None:
    """Pixels are squares around their centres: edges lie half a pixel out."""
    left, top, right, bottom = box
    corners = np.array([[left, top], [right, bottom]]) - 0.5
    expected = np.array([[-0.5, -0.5], [39.5, 29.5]])
    np.testing.assert_allclose(moved(crop_to_frame(box, 40, 30), corners), expected, atol=1e-12)


@pytest.mark.parametrize("how", some_maps())
@pytest.mark.parametrize("shape", SHAPES)
def test_reach_bounds_all_that_is_shown(how: Map, shape: tuple[int, int]) -> None:
    height, width = shape
    y, x = np.mgrid[:height, :width]
    shown = moved(how, np.stack([x.ravel(), y.ravel()], axis=1) * 1.0)
    expected = [*shown.min(axis=0), *shown.max(axis=0)]
    np.testing.assert_allclose(reach(how, width, height), expected, atol=1e-9)
