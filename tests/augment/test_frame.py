"""Frames: RGBX and back, blankness, and the picture continued beyond its edges."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from augcli.augment.decode import Pixels
from augcli.augment.frame import Frame, rgb_of, rgbx_of

BORDERS = [cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT, cv2.BORDER_WRAP, cv2.BORDER_REFLECT_101]
NUMPY_MODES = {
    cv2.BORDER_REPLICATE: "edge",
    cv2.BORDER_REFLECT: "symmetric",
    cv2.BORDER_WRAP: "wrap",
    cv2.BORDER_REFLECT_101: "reflect",
}


def picture(height: int = 9, width: int = 14) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_rgbx_keeps_rgb_and_shares_nothing() -> None:
    rgb = picture()
    rgbx = rgbx_of(rgb)
    assert rgbx.shape == (9, 14, 4)
    assert rgbx.flags.c_contiguous
    back = rgb_of(rgbx)
    assert (back == rgb).all()
    assert not np.shares_memory(back, rgbx)
    assert not np.shares_memory(rgbx, rgb)
    own = Frame(rgbx).rgb
    own[:] = 0
    assert (rgb_of(rgbx) == rgb).all()


@pytest.mark.parametrize("where", [(0, 0, 0), (8, 13, 2), (4, 0, 1), (0, 13, 1)])
def test_one_odd_pixel_makes_a_frame_not_blank(where: tuple[int, int, int]) -> None:
    rgb = np.full((9, 14, 3), (3, 200, 77), np.uint8)
    assert Frame(rgbx_of(rgb)).is_blank
    rgb[where] += 1
    assert not Frame(rgbx_of(rgb)).is_blank


def test_the_fourth_channel_says_nothing_of_blankness() -> None:
    rgbx = rgbx_of(np.zeros((9, 14, 3), np.uint8))
    rgbx[2, 3, 3] = 7
    assert Frame(rgbx).is_blank


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("shape", [(9, 14), (2, 40), (33, 5), (16, 16)])
def test_extended_continues_the_picture(border: int, shape: tuple[int, int]) -> None:
    frame = Frame(rgbx_of(picture(*shape)))
    margin = frame.margin
    pads = ((margin, margin), (margin, margin), (0, 0))
    expected = np.pad(frame.pixels, pads, mode=NUMPY_MODES[border])  # type: ignore[call-overload]
    assert (frame.extended(border) == expected).all()


def test_extended_is_made_once_for_each_border() -> None:
    frame = Frame(rgbx_of(picture()))
    made = [frame.extended(border) for border in BORDERS]
    assert all(frame.extended(border) is one for border, one in zip(BORDERS, made, strict=True))
    assert len({one.tobytes() for one in made}) == len(BORDERS)
