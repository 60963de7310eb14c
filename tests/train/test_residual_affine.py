"""Affine warps of whole batches: where each pixel is read from, on every device alike."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch

from augcli.train.residual_affine import Size, affine_matrices, warp, warp_together
from augcli.train.residual_draws import Floats
from augcli.train.residual_pixels import move

Warp = Callable[[torch.Tensor, Floats, Size], torch.Tensor]
COUNT = 6
SIZE = (24, 32)
PIXELS = torch.from_numpy(
    np.random.default_rng(4).integers(0, 256, (COUNT, *SIZE, 3), dtype=np.uint8)
).permute(0, 3, 1, 2)
UNTOUCHED = (np.zeros(COUNT, np.bool_), np.zeros(COUNT, np.int64), np.zeros(COUNT, np.int64))


def drawn(zoom: float = 1.0, turn: float = 0.0, down: float = 0.0, right: float = 0.0) -> Floats:
    """The same for every image."""
    return np.repeat([[zoom], [turn], [down], [right]], COUNT, axis=1)


def pixels_of(images: torch.Tensor) -> npt.NDArray[np.float64]:
    """(B, H, W, 3)."""
    return images.permute(0, 2, 3, 1).numpy().astype(np.float64)


def read(image: npt.NDArray[np.float64], column: float, row: float) -> npt.NDArray[np.float64]:
    """One pixel between pixels, the border reflected: from the definition."""
    left, top = int(np.floor(column)), int(np.floor(row))
    result = np.zeros(3)
    for y, x in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
        weight = (1 - abs(column - x)) * (1 - abs(row - y))
        result += weight * image[_folded(y, image.shape[0]), _folded(x, image.shape[1])]
    return result


def _folded(place: int, side: int) -> int:
    place = abs(place) % (2 * side - 2)
    return min(place, 2 * side - 2 - place)


@pytest.mark.parametrize("how", [warp, warp_together])
@pytest.mark.parametrize("size", [SIZE, (10, 16), (40, 33), (1, 5)])
def test_each_pixel_is_read_from_where_its_matrix_says(how: Warp, size: Size) -> None:
    rng = np.random.default_rng(1)
    draws = np.stack(
        [
            rng.uniform(0.6, 1.6, COUNT),
            rng.uniform(-0.5, 0.5, COUNT),
            *rng.uniform(-0.3, 0.3, (2, COUNT)),
        ]
    )
    matrices = affine_matrices(draws, *UNTOUCHED, SIZE, size)
    result = how(PIXELS, matrices, size)
    assert result.dtype == torch.uint8 and result.shape == (COUNT, 3, *size)
    assert result.is_contiguous(memory_format=torch.channels_last)
    given = pixels_of(PIXELS)
    for image, matrix, pixels in zip(given, matrices, pixels_of(result), strict=True):
        for row, column in np.ndindex(*size):
            expected = read(image, *(matrix @ np.array([column, row, 1.0])))
            assert np.abs(pixels[row, column] - expected).max() <= 1.01


@pytest.mark.parametrize("how", [warp, warp_together])
def test_flips_and_shifts_alone_are_those_of_move(how: Warp) -> None:
    rng = np.random.default_rng(2)
    flips = rng.random(COUNT) < 0.5
    down, right = rng.integers(-7, 8, (2, COUNT))
    matrices = affine_matrices(drawn(), flips, down, right, SIZE, SIZE)
    assert torch.equal(how(PIXELS, matrices, SIZE), move(PIXELS, flips, down, right))


@pytest.mark.parametrize("size", [SIZE, (12, 16), (7, 50)])
def test_the_corners_of_a_view_stay_its_corners_at_any_size(size: Size) -> None:
    """Edges are half a pixel beyond the centres of the outermost pixels."""
    matrix = affine_matrices(drawn(), *UNTOUCHED, SIZE, size)[0]
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        corner = np.array([column * size[1] - 0.5, row * size[0] - 0.5, 1.0])
        expected = column * SIZE[1] - 0.5, row * SIZE[0] - 0.5
        assert matrix @ corner == pytest.approx(expected)


def place(matrix: npt.NDArray[np.float64], column: float, row: float) -> list[float]:
    """Where the result's pixel at this place from the middle is read from, from the middle too."""
    middle = np.array([15.5, 11.5])
    read_from: list[float] = (matrix @ np.array([column + 15.5, row + 11.5, 1]) - middle).tolist()
    return read_from


@pytest.mark.parametrize(
    ("draws", "at", "read_from"),
    [
        (drawn(zoom=2), (8, 6), (4, 3)),
        (drawn(turn=np.pi / 2), (8, 0), (0, 8)),  # though the image is not square
        (drawn(down=0.25, right=-0.5), (0, 0), (-16, 6)),
        (drawn(2, np.pi / 2, 0.25), (8, 0), (0, 10)),
    ],
)
def test_what_is_zoomed_turned_and_moved_about_the_middle(
    draws: Floats, at: tuple[float, float], read_from: tuple[float, float]
) -> None:
    matrix = affine_matrices(draws, *UNTOUCHED, SIZE, SIZE)[0]
    assert place(matrix, *at) == pytest.approx(read_from)


def test_a_mirrored_image_is_the_mirror_image() -> None:
    draws = drawn(1.3, 0.4, 0.1, -0.2)
    flips = np.ones(COUNT, np.bool_)
    plain = warp(PIXELS, affine_matrices(draws, *UNTOUCHED, SIZE, SIZE), SIZE)
    mirrored = warp(PIXELS, affine_matrices(draws, flips, *UNTOUCHED[1:], SIZE, SIZE), SIZE)
    assert (mirrored.int() - plain.flip(3).int()).abs().max() <= 1


@pytest.mark.parametrize("how", [warp, warp_together])
def test_no_images(how: Warp) -> None:
    assert how(PIXELS[:0], np.zeros((0, 2, 3)), (5, 6)).shape == (0, 3, 5, 6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_cuda_device_makes_the_same_pixels() -> None:
    matrices = affine_matrices(drawn(1.2, 0.3, 0.1, 0.1), *UNTOUCHED, SIZE, (20, 20))
    there = warp(PIXELS.cuda(), matrices, (20, 20))
    assert (there.cpu().int() - warp(PIXELS, matrices, (20, 20)).int()).abs().max() <= 1
