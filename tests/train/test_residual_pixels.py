"""The residual policy's pixels, against a simple numpy reference for each image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch

from augcli.train.forward import MEAN, normalise
from augcli.train.residual_draws import Box
from augcli.train.residual_pixels import (
    GREY,
    blend,
    blend_together,
    erase_,
    move,
    move_together,
    paste_,
    recolour,
    recolour_together,
)

Move = Callable[..., torch.Tensor]
Blend = Callable[[torch.Tensor, float], torch.Tensor]
SIZES = [(16, 16), (9, 20), (21, 8), (1, 5), (4, 1), (1, 1)]
COUNTS = [0, 1, 2, 7]


def random_images(count: int, size: tuple[int, int] = (16, 16), seed: int = 0) -> torch.Tensor:
    pixels = np.random.default_rng(seed).integers(0, 256, (count, *size, 3), dtype=np.uint8)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def pixels_of(images: torch.Tensor) -> npt.NDArray[np.float64]:
    """(B, H, W, 3)."""
    return images.permute(0, 2, 3, 1).numpy().astype(np.float64)


def is_channels_last(images: torch.Tensor) -> bool:
    """torch has no order of memory for no images."""
    return len(images) == 0 or images.is_contiguous(memory_format=torch.channels_last)


def moved(image: npt.NDArray[np.float64], flip: bool, y: int, x: int) -> npt.NDArray[np.float64]:
    """Pad by reflection, then crop, as augmentation is usually written; (H, W, 3)."""
    height, width, _ = image.shape
    pad_y, pad_x = abs(y), abs(x)
    image = image[:, ::-1] if flip else image
    padded = np.pad(image, ((pad_y, pad_y), (pad_x, pad_x), (0, 0)), mode="reflect")
    return padded[pad_y + y : pad_y + y + height, pad_x + x : pad_x + x + width]


def moves(
    count: int, size: tuple[int, int], seed: int = 1
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Flips and shifts of all that is allowed."""
    rng = np.random.default_rng(seed)
    most_y, most_x = ((side - 1) // 2 for side in size)
    return (
        rng.random(count) < 0.5,
        rng.integers(-most_y, most_y + 1, count),
        rng.integers(-most_x, most_x + 1, count),
    )


@pytest.mark.parametrize("how", [move, move_together])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", COUNTS)
def test_moved_pixels(how: Move, size: tuple[int, int], count: int) -> None:
    images = random_images(count, size)
    before = images.clone()
    for seed in range(5):
        drawn = moves(count, size, seed)
        result = how(images, *drawn)
        expected = [moved(*one) for one in zip(pixels_of(images), *drawn, strict=True)]
        assert result.dtype == torch.uint8 and result.shape == images.shape
        assert is_channels_last(result)
        assert np.array_equal(pixels_of(result), np.reshape(expected, (count, *size, 3)))
        assert torch.equal(images, before)


def test_every_shift_of_a_small_image() -> None:
    image = random_images(1, (9, 7))
    for y in range(-4, 5):
        for x in range(-3, 4):
            for flip in (False, True):
                drawn = np.array([flip]), np.array([y]), np.array([x])
                expected = moved(pixels_of(image)[0], flip, y, x)
                for how in (move, move_together):
                    assert np.array_equal(pixels_of(how(image, *drawn))[0], expected), (y, x, flip)


@pytest.mark.parametrize("count", COUNTS)
def test_nothing_is_copied_when_nothing_moves(count: int) -> None:
    images = random_images(count)
    still = np.zeros(count, np.bool_), np.zeros(count, np.int64), np.zeros(count, np.int64)
    assert move(images, *still) is images


@pytest.mark.parametrize("size", SIZES)
def test_images_in_another_memory_order_move_alike(size: tuple[int, int]) -> None:
    images = random_images(5, size)
    for how in (move, move_together):
        result = how(images.contiguous(), *moves(5, size))
        assert torch.equal(result, how(images, *moves(5, size)))
        assert result.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("how", [recolour, recolour_together])
@pytest.mark.parametrize("count", COUNTS)
def test_coloured_pixels(how: Callable[..., torch.Tensor], count: int) -> None:
    """Matrices that leave 0..255 at both ends."""
    images = random_images(count, (9, 20))
    before = images.clone()
    matrices = np.random.default_rng(1).normal(0.3, 0.6, (count, 3, 4))
    matrices[:, :, 3] *= 50
    result = how(images, matrices)
    assert result.dtype == torch.uint8 and result.shape == images.shape
    assert is_channels_last(result)
    for image, matrix, pixels in zip(pixels_of(images), matrices, pixels_of(result), strict=True):
        expected = (image @ matrix[:, :3].T + matrix[:, 3]).clip(0, 255)
        assert np.abs(pixels - expected).max() < 0.8  # OpenCV has weights of 10 bits
    assert torch.equal(images, before)


def test_erased_pixels() -> None:
    images = random_images(4, (9, 20))
    expected = pixels_of(images)
    boxes = [(0, Box(0, 9, 0, 20)), (2, Box(3, 4, 5, 6)), (3, Box(7, 9, 0, 11))]
    for row, box in boxes:
        expected[row, box.top : box.bottom, box.left : box.right] = 128
    result = erase_(images, boxes)
    assert result is images and np.array_equal(pixels_of(result), expected)
    assert not np.array_equal(pixels_of(random_images(4, (9, 20)))[3], expected[3])


def test_grey_is_what_normalises_to_nothing() -> None:
    grey = torch.full((1, 3, 2, 2), GREY, dtype=torch.uint8)
    nearest = min(range(256), key=lambda value: (abs(value - 255 * MEAN[0]), -value))
    assert nearest == GREY
    assert normalise(grey, torch.device("cpu")).abs().max() < 0.01


@pytest.mark.parametrize("box", [Box(2, 9, 3, 5), Box(0, 16, 0, 16), Box(4, 4, 0, 9)])
@pytest.mark.parametrize("count", COUNTS)
def test_pasted_pixels(count: int, box: Box) -> None:
    images = random_images(count)
    given = pixels_of(images)
    expected = given.copy()
    for row in range(count):
        window = slice(box.top, box.bottom), slice(box.left, box.right)
        expected[row][window] = given[row - 1][window]
    result = paste_(images, box)
    assert result is images and np.array_equal(pixels_of(result), expected)


@pytest.mark.parametrize("how", [blend, blend_together])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("count", COUNTS)
def test_blended_pixels(how: Blend, count: int, share: float) -> None:
    images = random_images(count)
    before = images.clone()
    result = how(images, share)
    assert result.dtype == torch.float32 and result.shape == images.shape
    assert is_channels_last(result)
    given = pixels_of(images)
    expected = share * given + (1 - share) * np.roll(given, 1, axis=0)
    np.testing.assert_allclose(pixels_of(result), expected, rtol=0, atol=5e-5)
    assert torch.equal(images, before)


@pytest.mark.parametrize("how", [blend, blend_together])
@pytest.mark.parametrize("share", np.random.default_rng(0).random(20).tolist())
def test_blends_stay_within_0_and_255(how: Blend, share: float) -> None:
    """And between the two pixels: rounding adds nothing, which white skies would show."""
    images = random_images(2, (64, 64))
    images[:, :, :8] = 255
    images[:, :, 8:16] = 0
    partners = images.roll(1, 0)
    result = how(images, share)
    assert (result >= torch.minimum(images, partners)).all()
    assert (result <= torch.maximum(images, partners)).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_cuda_device_makes_the_same_pixels() -> None:
    images = random_images(7, (33, 47))
    there = images.cuda()
    drawn = moves(7, (33, 47))
    assert is_channels_last(move(there, *drawn)) and is_channels_last(blend(there, 0.3))
    assert torch.equal(move(there, *drawn).cpu(), move(images, *drawn))
    torch.testing.assert_close(blend(there, 0.3).cpu(), blend(images, 0.3), rtol=0, atol=5e-5)
    matrices = np.random.default_rng(1).normal(0.3, 0.6, (7, 3, 4))
    coloured = recolour(there, matrices).cpu().int() - recolour(images, matrices).int()
    assert coloured.abs().max() <= 1
    assert torch.equal(paste_(there, Box(1, 9, 2, 8)).cpu(), paste_(images, Box(1, 9, 2, 8)))
