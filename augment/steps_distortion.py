"""Compiled distortion: fields of displacements, applied to four channels in one go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from augcli.augment.canvas import Canvas, Sampling, fill_of
from augcli.augment.seeding import ViewStream
from augcli.augment.steps import Applied, Step, happens

Field = npt.NDArray[np.float32]

_APPROXIMATE_KERNEL = (17, 17)
_FLAT = 1e-6  # noise below this is not scaled up


@dataclass(frozen=True)
class Elastic:
    """`ElasticTransform`: smoothed noise as displacements.

    Simard et al. 2003, "Best practices for convolutional neural networks", ICDAR. `sigma` is in
    pixels, `alpha` the factor from smoothed noise, of at most 1 before, to pixels.
    """

    how: ClassVar[str] = "one remapping"

    p: float
    alpha: float
    sigma: float
    approximate: bool
    same_dxdy: bool
    uniform: bool
    sampling: Sampling

    def __call__(
        self, canvas: Canvas, stream: ViewStream, applied: Applied, force: bool = False
    ) -> None:
        """One coin, then noise for every pixel."""
        if happens(self.p, stream, force):
            x, y = self._maps(stream.numpy, canvas.width, canvas.height)
            canvas.remap(x, y, self.sampling)
            applied.append('["ElasticTransform",{}]')

    def _maps(self, draw: np.random.Generator, width: int, height: int) -> tuple[Field, Field]:
        """Where each pixel comes from, as albumentations' `generate_displacement_fields` has it."""
        shape = (1 if self.same_dxdy else 2, height, width)
        if self.uniform:
            noise = draw.uniform(-1, 1, size=shape).astype(np.float32)
        else:
            noise = draw.standard_normal(shape, dtype=np.float32)
            most = max(noise.max(), -noise.min())
            if most > _FLAT:
                noise /= most
        flat = noise.reshape(-1, width)
        kernel = _APPROXIMATE_KERNEL if self.approximate else (0, 0)
        cv2.GaussianBlur(flat, kernel, self.sigma, dst=flat, borderType=cv2.BORDER_REPLICATE)
        noise *= self.alpha
        x, y = _grid(width, height)
        if self.same_dxdy:
            return noise[0] + x, noise[0] + y
        noise[0] += x
        noise[1] += y
        return noise[0], noise[1]


@lru_cache(maxsize=4)
def _grid(width: int, height: int) -> tuple[Field, Field]:
    return (
        np.arange(width, dtype=np.float32)[None, :],
        np.arange(height, dtype=np.float32)[:, None],
    )


def elastic_step(node: Mapping[str, Any]) -> Step:
    """`ElasticTransform`."""
    return Elastic(
        p=float(node["p"]),
        alpha=float(node["alpha"]),
        sigma=float(node["sigma"]),
        approximate=bool(node["approximate"]),
        same_dxdy=bool(node["same_dxdy"]),
        uniform=node["noise_distribution"] == "uniform",
        sampling=Sampling(
            int(node["interpolation"]), int(node["border_mode"]), fill_of(node["fill"])
        ),
    )
