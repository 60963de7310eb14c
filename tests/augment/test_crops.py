"""Crops for test-time augmentation."""

from __future__ import annotations

import numpy as np
import pytest

from augcli.augment.crops import TEN_CROPS, mirrored, ten_crop


@pytest.mark.parametrize("side", [8, 33, 64])
def test_ten_different_crops_of_the_same_size(side: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    crops = [ten_crop(image, number) for number in range(TEN_CROPS)]
    assert {crop.shape for crop in crops} == {image.shape}
    assert len({crop.tobytes() for crop in crops}) == (TEN_CROPS if side > 8 else 8)
    for number in range(5):
        np.testing.assert_array_equal(crops[number + 5], mirrored(crops[number]))


def test_corners_and_the_middle_are_where_they_should_be() -> None:
    y, x = np.mgrid[0:56, 0:56]
    image = np.stack([4 * y, 4 * x, 0 * x], axis=2).astype(np.uint8)
    middles = [ten_crop(image, number)[28, 28, :2].astype(int) for number in range(5)]
    centre = middles[4]
    signs = [np.sign(middle - centre).tolist() for middle in middles[:4]]
    assert signs == [[-1, -1], [-1, 1], [1, -1], [1, 1]]
    assert abs(centre - 4 * 28).max() <= 4
