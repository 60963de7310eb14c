"""Weather."""

from __future__ import annotations

import cv2
import numpy as np

from augcli.augment.corruptions.blur import motion_kernel, zoomed
from augcli.augment.corruptions.contract import Amount, Field
from augcli.augment.corruptions.plasma import frost_layer, plasma


def snow(image: Field, draw: np.random.Generator, amount: Amount, scale: float) -> Field:
    """Flakes that fall, over a scene that they whiten.

    Amount: (mean, deviation, size and threshold of the flakes, radius and sigma of their trails,
    share of the scene that stays as it is).
    """
    mean, deviation, size, threshold, radius, sigma, share = amount
    noise = mean + deviation * draw.standard_normal(image.shape[:2], np.float32)
    flakes = zoomed(noise.astype(np.float32), max(1.0, size * scale))
    flakes = np.clip(np.where(flakes < threshold, 0, flakes), 0, 1)
    trail = motion_kernel(radius * scale, sigma * scale, draw.uniform(-135.0, -45.0))
    falling = cv2.filter2D(flakes, -1, trail, borderType=cv2.BORDER_REPLICATE)[:, :, None]
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[:, :, None]
    whitened = share * image + (1 - share) * np.maximum(image, grey * 1.5 + 0.5)
    return np.asarray(whitened + falling + np.rot90(falling, 2), np.float32)


def frost(image: Field, draw: np.random.Generator, amount: Amount, scale: float) -> Field:
    """Ice on a window; amount: (share of the scene, of the ice).

    The authors lay photographs of frost over the image; here it is drawn.
    """
    scene, ice = amount
    return scene * image + ice * frost_layer(image.shape[0], draw)


def fog(image: Field, draw: np.random.Generator, amount: Amount, scale: float) -> Field:
    """Clouds of a fractal; amount: (how much of them, how smooth they are)."""
    much, decay = amount
    clouds = plasma(image.shape[0], decay, draw)[:, :, None]
    brightest = image.max()
    return np.asarray((image + much * clouds) * brightest / (brightest + much), np.float32)


def brightness(image: Field, draw: np.random.Generator, amount: Amount, scale: float) -> Field:
    """More light, of the same hue and saturation; amount: (what the HSV value gains)."""
    [gain] = amount
    value = image.max(axis=2, keepdims=True)
    brighter = np.minimum(value + np.float32(gain), 1)
    scaled = image * (brighter / np.maximum(value, 1e-6))
    return np.asarray(np.where(value > 0, scaled, brighter), np.float32)
