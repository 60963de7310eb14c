"""What processing and files do."""

from __future__ import annotations

import cv2
import numpy as np
import simplejpeg

from augcli.augment.corruptions.contract import Amount, Field
from augcli.augment.decode import Pixels

_TRUNCATE = 3  # deviations that the kernel of elastic's smoothing reaches


def contrast(image: Field, draw: np.random.Generator, amount: Amount, scale: float) -> Field:
    """Towards each channel's mean; amount: (share of the contrast that is left)."""
    [share] = amount
    mean = image.mean(axis=(0, 1), keepdims=True)
    return np.asarray((image - mean) * share + mean, np.float32)


def elastic(image: Field, draw: np.random.Generator, amount: Amount, scale: float) -> Field:
    """Stretched here, pressed together there; amount: (strength, smoothness, affine shift).

    Smoothed noise as displacements (Simard et al. 2003, ICDAR), after three points near the
    middle were moved.
    """
    strength, sigma, shift = (length * scale for length in amount)
    side = image.shape[0]
    middle, third = side // 2, side // 3
    near, far = middle - third, middle + third
    before = np.array([[far, far], [far, near], [near, near]], np.float32)
    after = before + draw.uniform(-shift, shift, before.shape).astype(np.float32)
    matrix = cv2.getAffineTransform(before, after)
    moved = cv2.warpAffine(image, matrix, (side, side), borderMode=cv2.BORDER_REFLECT_101)
    if strength == 0:
        return np.asarray(moved, np.float32)
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    across, down = (strength * _smoothed(draw, side, sigma) for _ in range(2))
    bent = cv2.remap(moved, x + across, y + down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(bent, np.float32)


def _smoothed(draw: np.random.Generator, side: int, sigma: float) -> Field:
    noise = draw.uniform(-1, 1, (side, side)).astype(np.float32)
    reach = 2 * round(_TRUNCATE * sigma) + 1
    blurred = cv2.GaussianBlur(noise, (reach, reach), sigma, borderType=cv2.BORDER_REFLECT)
    return np.asarray(blurred, np.float32)


def pixelate(image: Field, draw: np.random.Generator, amount: Amount, scale: float) -> Field:
    """Fewer pixels, enlarged again; amount: (share of the side)."""
    side = image.shape[0]
    fewer = max(1, int(side * amount[0]))
    small = cv2.resize(image, (fewer, fewer), interpolation=cv2.INTER_AREA)
    large = cv2.resize(small, (side, side), interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(large, np.float32)


def jpeg(image: Field, draw: np.random.Generator, amount: Amount, scale: float) -> Field:
    """Encoded and decoded; amount: (JPEG quality)."""
    pixels: Pixels = np.rint(image * 255).astype(np.uint8)
    data = simplejpeg.encode_jpeg(pixels, quality=int(amount[0]), colorsubsampling="420")
    return np.asarray(simplejpeg.decode_jpeg(data) / 255, np.float32)
