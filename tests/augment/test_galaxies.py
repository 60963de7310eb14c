"""Mock galaxies: pure in their generator, and told apart by morphology alone."""

import math

import numpy as np
import numpy.typing as npt
import pytest

from augcli.augment.galaxies import CLASSES, SIZE, render
from augcli.augment.galaxy_camera import lupton_rgb, moffat
from augcli.augment.galaxy_light import Encounter, Frame
from augcli.manifests.errors import UsageError

NAMES = ["elliptical", "spiral", "barred-spiral", "ring", "edge-on", "merger"]
SMALL = 48  # pixels: enough for shapes, and quick
IMAGES = 40


@pytest.fixture(scope="module")
def galleries() -> dict[str, npt.NDArray[np.uint8]]:
    """IMAGES renderings of each class from the same seeds: (n, SMALL, SMALL, 3)."""
    return {
        name: np.stack([render(name, np.random.default_rng(k), SMALL) for k in range(IMAGES)])
        for name in CLASSES
    }


def second_moments(image: npt.NDArray[np.uint8]) -> tuple[float, complex]:
    """Radius in pixels and ellipticity (|e| < 1, twice the position angle) of an image's light."""
    light = image.sum(axis=2, dtype=np.float64)
    light = np.maximum(light - np.median(light) - 40, 0)
    row, column = np.mgrid[: len(image), : len(image)] - (len(image) - 1) / 2
    light *= np.exp(-(row**2 + column**2) / (2 * (0.3 * len(image)) ** 2))  # not the field stars
    at = column + 1j * row
    at = at - (light * at).sum() / light.sum()
    size = (light * abs(at) ** 2).sum()
    return math.sqrt(size / light.sum()), complex((light * at**2).sum() / size)


def light_of(name: str, seed: int, angle_rad: float = 0, hand: int = 1) -> npt.NDArray[np.float32]:
    """A class's noiseless light, r band, binned to (24, 24)."""
    frame = Frame(192, complex(95.5, 95.5), 24.0, angle_rad, hand)
    light = CLASSES[name](np.random.default_rng(seed), frame)[1]
    return np.asarray(light.reshape(24, 8, 24, 8).sum((1, 3)) / light.sum(), np.float32)


def test_the_classes() -> None:
    assert list(CLASSES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_same_state_same_bytes_and_another_state_another_galaxy(name: str) -> None:
    first, again, other = (render(name, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first.tobytes() == again.tobytes()
    assert np.abs(first.astype(int) - other).mean() > 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [32, 64, SIZE, 131])
def test_shape_type_and_range(name: str, size: int) -> None:
    image = render(name, np.random.default_rng(size), size)
    assert image.shape == (size, size, 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.max() > 80 > np.median(image), "a bright galaxy on a dark sky"


def test_the_global_generator_is_not_touched() -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[index]
    render("merger", np.random.default_rng(0), SMALL)
    assert (np.random.get_state()[1] == before).all()  # type: ignore[index]


def test_unknown_class_lists_the_choices() -> None:
    with pytest.raises(UsageError, match="unknown galaxy class 'quasar'") as error:
        render("quasar", np.random.default_rng(0))
    assert all(name in str(error.value) for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_position_angles_are_uniform(
    name: str, galleries: dict[str, npt.NDArray[np.uint8]]
) -> None:
    turns = np.array([second_moments(image)[1] for image in galleries[name]])
    assert abs(turns.sum()) / np.abs(turns).sum() < 0.35  # fixed angles would give nearly 1


@pytest.mark.parametrize("name", NAMES)
def test_orientation_and_hand_enter_through_the_frame_alone(name: str) -> None:
    upright = light_of(name, 3)
    np.testing.assert_allclose(light_of(name, 3, math.pi / 2), np.rot90(upright, -1), atol=2e-3)
    np.testing.assert_allclose(light_of(name, 3, hand=-1), upright[::-1], atol=2e-3)


def test_edge_on_discs_are_more_elongated_than_ellipticals(
    galleries: dict[str, npt.NDArray[np.uint8]],
) -> None:
    elongation = {
        name: np.median([abs(second_moments(image)[1]) for image in galleries[name]])
        for name in ("edge-on", "elliptical")
    }
    assert elongation["edge-on"] > 2 * elongation["elliptical"]


def test_background_says_nothing_about_the_class(
    galleries: dict[str, npt.NDArray[np.uint8]],
) -> None:
    corners = {name: images[:, :7, :7].astype(float) for name, images in galleries.items()}
    levels = [np.median(corner) for corner in corners.values()]
    noises = [np.median(corner.std(axis=(1, 2))) for corner in corners.values()]
    assert max(levels) - min(levels) <= 4
    assert max(noises) / min(noises) < 1.3


def test_size_says_little_about_the_class(galleries: dict[str, npt.NDArray[np.uint8]]) -> None:
    sizes = {
        name: np.median([second_moments(image)[0] for image in images])
        for name, images in galleries.items()
    }
    assert max(sizes.values()) / min(sizes.values()) < 1.5, sizes


def test_moffat_has_its_width_and_unit_sum() -> None:
    kernel = moffat(6.0, 3.0)
    middle = len(kernel) // 2
    assert kernel.sum() == pytest.approx(1)
    assert kernel[middle, middle + 3] == pytest.approx(kernel[middle, middle] / 2, rel=1e-4)


def test_the_stretch_keeps_the_hue_of_bright_pixels() -> None:
    bands = np.array([1.0, 2.0, 4.0], np.float32)[:, None, None] * np.array([[1e2, 1e5]])
    faint, bright = lupton_rgb(bands.astype(np.float32), 0.0, 20.0, 8.0)[0].astype(float)
    assert bright.max() == 255
    np.testing.assert_allclose(faint / faint.max(), bright / bright.max(), atol=0.02)


def test_a_heavy_brake_merges_the_nuclei_and_none_lets_them_part() -> None:
    apart, merged = (Encounter(1.0, 1.0, friction, 9.0).track() for friction in (0.0, 0.6))
    separation = np.linalg.norm(apart[:, 0] - apart[:, 1], axis=1)
    assert separation[0] == pytest.approx(4, abs=1e-3)
    assert separation.min() < 1.5 < 2.5 < separation[-1]
    assert np.linalg.norm(merged[-1, 0] - merged[-1, 1]) < separation[-1] / 2
    np.testing.assert_allclose(apart.sum(axis=1), 0, atol=1e-4)  # equal masses: centre at rest
