"""Crops for test-time augmentation: uint8 RGB (side, side, 3) -> the same shape."""

from __future__ import annotations

import cv2
import numpy as np

from augcli.augment.decode import Pixels

TEN_CROPS = 10
_ENLARGED = 8 / 7  # Krizhevsky et al. 2012 cut 224 pixels out of 256


def ten_crop(image: Pixels, number: int) -> Pixels:
    """Crop `number` of ten: four corners and the middle, and then their mirror images.

    Krizhevsky, Sutskever and Hinton 2012, section 4.1, "ImageNet Classification with Deep
    Convolutional Neural Networks". The image is enlarged for it, so that crops keep its size.
    """
    side = image.shape[0]
    larger = max(side + 1, round(side * _ENLARGED))
    enlarged = cv2.resize(image, (larger, larger), interpolation=cv2.INTER_LINEAR)
    rest = larger - side
    places = ((0, 0), (0, rest), (rest, 0), (rest, rest), (rest // 2, rest // 2))
    top, left = places[number % len(places)]
    crop = np.asarray(enlarged[top : top + side, left : left + side], np.uint8)
    return mirrored(crop) if number >= len(places) else crop


def mirrored(image: Pixels) -> Pixels:
    """Left and right exchanged."""
    return np.ascontiguousarray(image[:, ::-1])
