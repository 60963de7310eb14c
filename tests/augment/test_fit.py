"""Fits: any shape becomes the output size, and what is kept is what the mode says."""

from __future__ import annotations

import numpy as np
import pytest

from augcli.augment.config import FIT_NAMES
from augcli.augment.decode import Pixels
from augcli.augment.fit import Fit, resize
from augcli.manifests.errors import UsageError

SHAPES = [(1, 1), (1, 50), (50, 1), (3, 1000), (16, 16), (17, 16), (40, 56), (333, 200), (500, 31)]


def image(height: int, width: int) -> Pixels:
    return np.random.default_rng(height + width).integers(1, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("contiguous", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", FIT_NAMES)
@pytest.mark.parametrize("size", [8, 16, 33])
def test_any_shape(mode: str, shape: tuple[int, int], size: int, contiguous: bool) -> None:
    source = image(*shape) if contiguous else image(shape[1], shape[0]).transpose(1, 0, 2)
    before = source.copy()
    fitted = Fit(size, mode)(source)
    assert fitted.shape == (size, size, 3)
    assert fitted.dtype == np.uint8
    assert fitted.flags.c_contiguous
    assert np.array_equal(source, before)
    assert np.array_equal(fitted, Fit(size, mode)(before))


@pytest.mark.parametrize("mode", FIT_NAMES)
def test_identity_at_size(mode: str) -> None:
    assert np.array_equal(Fit(16, mode)(image(16, 16)), image(16, 16))


@pytest.mark.parametrize(("height", "width"), [(16, 40), (40, 16), (16, 17), (17, 16)])
def test_crop_keeps_the_middle(height: int, width: int) -> None:
    source = image(height, width)
    top, left = (height - 16) // 2, (width - 16) // 2
    assert np.array_equal(Fit(16, "crop")(source), source[top : top + 16, left : left + 16])


@pytest.mark.parametrize(("height", "width"), [(16, 8), (8, 16), (16, 5), (1, 16)])
def test_pad_keeps_all_between_black_bars(height: int, width: int) -> None:
    source = image(height, width)
    fitted = Fit(16, "pad")(source)
    inside = fitted.any(axis=2)
    assert inside.sum() == height * width
    assert np.array_equal(fitted[inside].reshape(source.shape), source)
    top, left = (16 - height) // 2, (16 - width) // 2
    assert inside[top : top + height, left : left + width].all()


def test_pad_keeps_proportions() -> None:
    inside = Fit(32, "pad")(np.full((60, 120, 3), 9, np.uint8)).any(axis=2)
    assert (inside.any(axis=1).sum(), inside.any(axis=0).sum()) == (16, 32)


def test_stretch_keeps_all() -> None:
    source = np.zeros((20, 60, 3), np.uint8)
    source[:10, :30] = 255
    fitted = Fit(20, "stretch")(source)
    assert fitted[:9, :9].min() == 255
    assert fitted[11:].max() == fitted[:, 11:].max() == 0


def test_shrinking_averages() -> None:
    checks = np.zeros((64, 64, 3), np.uint8)
    checks[::2, ::2] = checks[1::2, 1::2] = 200
    assert np.abs(resize(checks, 16, 16).astype(int) - 100).max() <= 1


@pytest.mark.parametrize("value", [0, 7, 255])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", ["crop", "stretch"])
def test_one_colour_stays(mode: str, shape: tuple[int, int], value: int) -> None:
    source = np.full((*shape, 3), value, np.uint8)
    assert (Fit(16, mode)(source) == value).all()


@pytest.mark.parametrize("mode", ["", "Crop", "squeeze"])
def test_unknown_modes_are_refused(mode: str) -> None:
    """Was: stretched, without a word."""
    with pytest.raises(UsageError, match=r"crop, pad, stretch"):
        Fit(16, mode)


@pytest.mark.parametrize("mode", FIT_NAMES)
def test_reduced_decoding_keeps_enough(mode: str) -> None:
    """The shortest side is never below the output size, so that nothing is enlarged."""
    assert Fit(96, mode).min_side >= 96


@pytest.mark.parametrize("shape", [(100, 4000), (4000, 100), (60, 4000)])
@pytest.mark.parametrize("mode", ["stretch", "pad"])
def test_very_uneven_shrinking_does_not_alias(shape: tuple[int, int], mode: str) -> None:
    """Fine stripes across the long side must average to grey, not to a pattern of their own."""
    image = np.zeros((*shape, 3), np.uint8)
    if shape[1] > shape[0]:
        image[:, ::2] = 255
    else:
        image[::2] = 255
    fitted = Fit(96, mode)(image)
    inside = fitted[fitted.any(axis=2)]
    assert inside.size
    assert inside.std() < 8
