"""Noise of sensors."""

from __future__ import annotations

import numpy as np

from augcli.augment.corruptions.contract import Amount, Field


def gaussian_noise(image: Field, draw: np.random.Generator, amount: Amount, scale: float) -> Field:
    """Additive normal noise, as from poor light; amount: (standard deviation)."""
    [deviation] = amount
    return image + np.float32(deviation) * draw.standard_normal(image.shape, np.float32)


def shot_noise(image: Field, draw: np.random.Generator, amount: Amount, scale: float) -> Field:
    """Photons counted; amount: (how many make white)."""
    [photons] = amount
    return np.asarray(draw.poisson(image * photons) / photons, np.float32)


def impulse_noise(image: Field, draw: np.random.Generator, amount: Amount, scale: float) -> Field:
    """Salt and pepper; amount: (share of the numbers that become 0 or 1)."""
    [share] = amount
    chance = draw.random(image.shape, np.float32)
    return np.where(chance < share, np.where(chance < share / 2, 0.0, 1.0), image).astype(
        np.float32
    )
