"""Pillow's operations on histograms, held against Pillow itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageOps

from augcli.augment.decode import Pixels
from augcli.augment.histograms import autocontrast, equalize

OPERATIONS = [(equalize, ImageOps.equalize), (autocontrast, ImageOps.autocontrast)]


def pictures() -> dict[str, Pixels]:
    rng = np.random.default_rng(5)
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8)[None, :, None], (3, 256, 3)).copy()
    noise = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    two = np.where(noise > 127, 200, 10).astype(np.uint8)
    dark = (noise // 8 + 3).astype(np.uint8)
    steep = np.minimum(rng.exponential(20, (64, 64, 3)), 255).astype(np.uint8)
    few = np.zeros((2, 3, 3), np.uint8)
    few[0, 0] = (1, 2, 255)
    flat = np.full((9, 9, 3), (0, 128, 255), np.uint8)
    one = noise[:1, :1].copy()
    return {
        "ramp": ramp, "noise": noise, "two": two, "dark": dark, "steep": steep, "few": few,
        "flat": flat, "one": one,
    }  # fmt: skip


@pytest.mark.parametrize("name", pictures())
@pytest.mark.parametrize(("own", "pillow"), OPERATIONS)
def test_as_pillow_does_it(
    own: Callable[[Pixels], Pixels], pillow: Callable[[Image.Image], Image.Image], name: str
) -> None:
    image = pictures()[name]
    before = image.copy()
    assert np.array_equal(own(image), np.asarray(pillow(Image.fromarray(image))))
    assert np.array_equal(image, before)


@pytest.mark.parametrize(("own", "pillow"), OPERATIONS)
def test_as_pillow_does_it_on_any_histogram(
    own: Callable[[Pixels], Pixels], pillow: Callable[[Image.Image], Image.Image]
) -> None:
    rng = np.random.default_rng(6)
    for _ in range(300):
        levels = rng.choice(256, rng.integers(1, 20), replace=False)
        shape = (*rng.integers(1, 40, 2), 3)
        weights = rng.dirichlet(np.full(len(levels), 0.3))
        image = rng.choice(levels, shape, p=weights).astype(np.uint8)
        assert np.array_equal(own(image), np.asarray(pillow(Image.fromarray(image))))
