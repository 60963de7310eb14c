"""The camera of the mock galaxies: an exposure's instrument and sky, seeing, noise, colours.

Light arrives as bands g, r, i: float32 (3, H, W), in units of the r-band sky noise per pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from augcli.augment.galaxy_light import Map, between, log_between

BAND_WEIGHTS = (1.36, 1.0, 0.84)  # g, r, i: makes a middle-aged disc almost white
SKY_COLOUR = (0.55, 1.0, 1.5)  # electrons in g, r, i relative to r


@dataclass(frozen=True)
class Exposure:
    """One field's instrument and sky. Brightness is in units of the r-band sky noise per pixel."""

    brightness: float  # the galaxy's mean within its half-light radius
    sky_electrons: float  # per pixel, r band
    read_noise_electrons: float
    seeing_px: float  # full width at half maximum
    moffat_beta: float
    pedestal: float  # residual sky, which keeps the background off black
    stretch: float  # of the asinh: the brightness where it turns from linear to logarithmic
    softening: float  # Lupton's Q

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Exposure:
        """Draw one, the same way for every class."""
        return cls(
            brightness=log_between(rng, 8, 70),
            sky_electrons=log_between(rng, 150, 1500),
            read_noise_electrons=between(rng, 3, 9),
            seeing_px=between(rng, 1.5, 2.8),
            moffat_beta=between(rng, 2.5, 4.5),
            pedestal=between(rng, 0.5, 2),
            stretch=between(rng, 10, 35),
            softening=between(rng, 6, 10),
        )


def moffat(width_px: float, beta: float) -> Map:
    """Moffat (1969) point spread function of unit sum; `width_px` is its FWHM in pixels."""
    core = width_px / (2 * math.sqrt(2 ** (1 / beta) - 1))
    reach = math.ceil(4 * width_px)
    offset = np.arange(-reach, reach + 1, dtype=np.float32) / core
    kernel = (1 + offset[:, None] ** 2 + offset**2) ** -beta
    return np.asarray(kernel / kernel.sum(), np.float32)


def expose(rng: np.random.Generator, light: Map, exposure: Exposure, scale: float) -> Map:
    """What the detector records of `light`, sky subtracted: seeing, photon and read noise."""
    psf = moffat(exposure.seeing_px * scale, exposure.moffat_beta)
    noise = math.hypot(math.sqrt(exposure.sky_electrons), exposure.read_noise_electrons)
    seen = [cv2.filter2D(band, -1, psf, borderType=cv2.BORDER_CONSTANT) for band in light]
    sky = np.array(SKY_COLOUR, np.float32)[:, None, None] * exposure.sky_electrons
    expected = np.maximum(np.stack(seen), 0) * noise + sky
    read = rng.normal(0, exposure.read_noise_electrons, expected.shape)
    electrons = rng.poisson(expected) + read
    return np.asarray((electrons - sky) / noise, np.float32)


def lupton_rgb(
    bands: Map, pedestal: float, stretch: float, softening: float
) -> npt.NDArray[np.uint8]:
    """Bands g, r, i (3, H, W) to RGB uint8 (H, W, 3), keeping colour (Lupton et al. 2004).

    The mean intensity is stretched by asinh; where a channel would exceed white all three are
    scaled down together, so that bright cores keep their hue.
    """
    weighted = bands * np.array(BAND_WEIGHTS, np.float32)[:, None, None] + np.float32(pedestal)
    intensity = np.maximum(weighted.mean(axis=0), np.float32(1e-3))
    gain = np.arcsinh(intensity * np.float32(softening / stretch)) / (softening * intensity)
    image = np.maximum(weighted[::-1] * gain, 0)
    image /= np.maximum(image.max(axis=0), 1)
    return np.ascontiguousarray((image * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0))
