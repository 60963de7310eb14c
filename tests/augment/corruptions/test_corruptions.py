"""The standard corruptions: deterministic, as strong as their tables say, and what they claim."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from albumentations.augmentations.blur import functional as peer

from augcli.augment.corruptions import blur, digital, noise, plasma, weather
from augcli.augment.corruptions.contract import Field
from augcli.augment.corruptions.registry import CORRUPTIONS, corrupted, parse_corruptions
from augcli.augment.corruptions.severities import (
    CALIBRATIONS,
    CIFAR_10_C,
    IMAGENET_C,
    SEVERITIES,
    TINY_IMAGENET_C,
    calibration_for,
)
from augcli.augment.decode import Pixels
from augcli.manifests.errors import UsageError

NOT_RANDOM = ("defocus-blur", "zoom-blur", "brightness", "contrast", "pixelate", "jpeg")


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def textured(side: int) -> Pixels:
    """Waves of all colours with an edge: something for every corruption to change."""
    y, x = np.mgrid[0:side, 0:side] / side
    waves = [np.sin(20 * x + 9 * y), np.cos(15 * y), np.sin(12 * (x - y))]
    pixels = np.stack(waves, axis=2) * 60 + 100 + 60 * (x > 0.5)[:, :, None]
    return pixels.astype(np.uint8)


def unit(image: Pixels) -> Field:
    return np.asarray(image / 255, np.float32)


def grey(level: float, side: int = 64) -> Field:
    return np.full((side, side, 3), level, np.float32)


def distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other.astype(float)).mean())


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruptions_depend_on_their_arguments_alone(name: str) -> None:
    image = textured(32)
    before = image.copy()
    first = corrupted(image, name, 3, "a/b")
    corrupted(textured(24), name, 5, "another")
    assert first.shape == image.shape and first.dtype == np.uint8
    np.testing.assert_array_equal(first, corrupted(image, name, 3, "a/b"))
    np.testing.assert_array_equal(image, before)
    assert (distance(first, corrupted(image, name, 3, "a/c")) > 0) == (name not in NOT_RANDOM)


@pytest.mark.parametrize("side", [33, 150])
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_severest_changes_more_than_the_mildest(name: str, side: int) -> None:
    image = textured(side)
    mild, severe = (distance(corrupted(image, name, s, "k"), image) for s in (1, 5))
    assert mild > 0.1
    # Severe elastic is finer, not farther, and much of severe frost is a darker scene.
    assert severe > mild or name in ("elastic", "frost")


@pytest.mark.parametrize("name", ["gaussian-noise", "motion-blur", "fog"])
def test_severities_differ_in_strength_and_not_in_what_was_drawn(name: str) -> None:
    """A picture of one image at all severities shows one fog that thickens."""
    image = textured(64)
    changes = [corrupted(image, name, s, "k").astype(float) - image for s in (3, 4)]
    same = np.corrcoef(changes[0].ravel(), changes[1].ravel())[0, 1]
    other = corrupted(image, name, 4, "j").astype(float) - image
    assert same > np.corrcoef(changes[0].ravel(), other.ravel())[0, 1] + 0.05


def test_tables_are_whole() -> None:
    for calibration in CALIBRATIONS:
        assert list(calibration.amounts) == list(CORRUPTIONS)
        for name, amounts in calibration.amounts.items():
            assert len(amounts) == len(SEVERITIES)
            assert {len(amount) for amount in amounts} == {len(IMAGENET_C.amounts[name][0])}


def test_the_table_nearest_in_size_is_taken() -> None:
    expected = {16: CIFAR_10_C, 32: CIFAR_10_C, 45: CIFAR_10_C, 46: TINY_IMAGENET_C}
    expected |= {119: TINY_IMAGENET_C, 120: IMAGENET_C, 1000: IMAGENET_C}
    assert {side: calibration_for(side) for side in expected} == expected


def test_names_groups_and_all() -> None:
    assert parse_corruptions("all") == tuple(CORRUPTIONS)
    assert parse_corruptions("jpeg, noise")[-1] == "jpeg"
    assert parse_corruptions("jpeg,noise,shot-noise")[:3] == tuple(CORRUPTIONS)[:3]
    with pytest.raises(UsageError, match="unknown 'rain': choose from all, noise, blur"):
        parse_corruptions("noise,rain")
    with pytest.raises(UsageError, match="unknown ''"):
        parse_corruptions("")


def test_noise_is_as_strong_as_it_says() -> None:
    gaussian = noise.gaussian_noise(grey(0.5), generator(), (0.08,), 1.0)
    assert gaussian.std() == pytest.approx(0.08, rel=0.03)
    shot = noise.shot_noise(grey(0.5), generator(), (60,), 1.0)
    assert shot.var() == pytest.approx(0.5 / 60, rel=0.05)
    impulse = noise.impulse_noise(grey(0.5), generator(), (0.2,), 1.0)
    assert (impulse == 0).mean() == pytest.approx(0.1, rel=0.1)
    assert (impulse == 1).mean() == pytest.approx(0.1, rel=0.1)


def test_blurs_that_a_library_has_as_well() -> None:
    image = unit(textured(64))
    defocused = blur.defocus_blur(image, generator(), (3, 0.1), 1.0)
    np.testing.assert_allclose(defocused, peer.defocus(image, 3, 0.1), atol=1e-5)
    zoomed = blur.zoom_blur(image, generator(), (1.2, 0.02), 1.0)
    theirs = peer.zoom_blur(image, np.linspace(1, 1.2, 11))
    assert distance(zoomed, theirs) < 0.01 < distance(zoomed, image)


@pytest.mark.parametrize(
    ("function", "amount"),
    [(blur.defocus_blur, (3, 0.1)), (blur.motion_blur, (10, 4))],
)
def test_lengths_grow_with_the_image(function: object, amount: tuple[float, ...]) -> None:
    """Twice the size and corrupted is, nearly, corrupted and twice the size."""
    image = unit(textured(64))

    def doubled(small: Field) -> Field:
        return np.asarray(cv2.resize(small, (128, 128), interpolation=cv2.INTER_CUBIC))

    first = doubled(function(image, generator(), amount, 1.0))  # type: ignore[operator]
    second = function(doubled(image), generator(), amount, 2.0)  # type: ignore[operator]
    unscaled = function(doubled(image), generator(), amount, 1.0)  # type: ignore[operator]
    assert distance(first, second) < 0.6 * distance(first, unscaled)


def test_glass_only_moves_pixels_and_not_far() -> None:
    y, x = np.mgrid[0:40, 0:40]
    places = np.stack([y, x, 0 * x], axis=2).astype(np.float32)
    mixed = blur.glass_blur(places, generator(), (0.01, 2, 3), 1.0)
    assert sorted(map(tuple, mixed.reshape(-1, 3))) == sorted(map(tuple, places.reshape(-1, 3)))
    moved = np.abs(mixed - places).max()
    assert 2 < moved <= 2 * 3 * 2  # as a source and as a partner, in each of three times


def test_a_motion_trail_goes_one_way() -> None:
    kernel = blur.motion_kernel(5, 3, 0.0)
    middle = kernel.shape[0] // 2
    assert kernel.sum() == pytest.approx(1)
    assert kernel[middle, middle] == kernel.max()
    assert kernel[:, :middle].sum() == 0 and kernel[middle + 1 :].sum() == 0
    assert blur.motion_kernel(5, 3, 90.0)[middle:, middle] == pytest.approx(kernel[middle, middle:])


def test_brightness_is_the_value_of_hsv() -> None:
    image = unit(textured(32))
    image[0, 0] = 0
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hsv[:, :, 2] = np.minimum(hsv[:, :, 2] + 0.3, 1)
    expected = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    np.testing.assert_allclose(
        weather.brightness(image, generator(), (0.3,), 1.0), expected, atol=1e-4
    )


def test_contrast_keeps_each_channels_mean() -> None:
    image = unit(textured(32))
    less = digital.contrast(image, generator(), (0.25,), 1.0)
    np.testing.assert_allclose(less.mean(axis=(0, 1)), image.mean(axis=(0, 1)), atol=1e-5)
    np.testing.assert_allclose(less.std(axis=(0, 1)), 0.25 * image.std(axis=(0, 1)), rtol=1e-4)


def test_pixelate_leaves_as_many_pixels_as_it_says() -> None:
    fewer = digital.pixelate(unit(textured(64)), generator(), (0.25,), 1.0)
    blocks = fewer.reshape(16, 4, 16, 4, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()
    np.testing.assert_allclose(blocks[:, 0, :, 0].mean(), unit(textured(64)).mean(), atol=1e-5)


@pytest.mark.parametrize("side", [24, 64])
def test_plasma_fills_its_range_and_smoothness_is_asked_for(side: int) -> None:
    rough, smooth = (plasma.plasma(side, decay, generator()) for decay in (1.2, 3.0))
    for field in (rough, smooth):
        assert field.shape == (side, side)
        assert 0 <= field.min() < 0.2 and 0.8 < field.max() <= 1
    assert distance(rough[1:], rough[:-1]) > 3 * distance(smooth[1:], smooth[:-1])


def test_frost_has_pieces_of_several_windows() -> None:
    layers = [plasma.frost_layer(16, generator(seed)) for seed in range(4)]
    assert all(layer.shape == (16, 16, 3) for layer in layers)
    assert all(0.2 < layer.mean() < 0.9 and layer.std() > 0.05 for layer in layers)
    assert all(distance(layers[0], layer) > 0.02 for layer in layers[1:])
