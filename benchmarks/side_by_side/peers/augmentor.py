"""Augmentor: a pipeline over a folder, `process()` once per copy, in its own threads.

It has no fit by the shorter side and no shift; both are added as its manual says, by operations
of one's own. Its rotation is by whole degrees.
"""

from __future__ import annotations

import random

import Augmentor
from Augmentor.Operations import Operation
from PIL import Image, ImageOps

from side_by_side.peers.pillow_quality import save_at_benchmark_quality
from side_by_side.stored import folder_views as views
from side_by_side.work import Work

__all__ = ["expand", "views"]


class Fit(Operation):  # type: ignore[misc]
    """Shorter side to `size`, then the middle square."""

    def __init__(self, size: int) -> None:
        super().__init__(probability=1)
        self._size = size

    def perform_operation(self, images: list[Image.Image]) -> list[Image.Image]:
        """The fitted images."""
        side = (self._size, self._size)
        bilinear = Image.Resampling.BILINEAR
        return [ImageOps.fit(image.convert("RGB"), side, bilinear) for image in images]


class Shift(Operation):  # type: ignore[misc]
    """A shift by up to `part` of the side, in both directions."""

    def __init__(self, part: float) -> None:
        super().__init__(probability=1)
        self._part = part

    def perform_operation(self, images: list[Image.Image]) -> list[Image.Image]:
        """The shifted images."""
        across, down = (random.uniform(-self._part, self._part) for _ in range(2))
        return [_shifted(image, across * image.width, down * image.height) for image in images]


def expand(work: Work) -> None:
    """One pass over all images per copy."""
    save_at_benchmark_quality()
    random.seed(work.seed)
    pipeline = Augmentor.Pipeline(work.data, output_directory=work.output)
    pipeline.add_operation(Fit(work.size))
    pipeline.flip_left_right(probability=0.5)
    pipeline.rotate_without_crop(probability=1, max_left_rotation=30, max_right_rotation=30)
    pipeline.zoom(probability=1, min_factor=0.9, max_factor=1.1)
    pipeline.add_operation(Shift(0.1))
    pipeline.random_brightness(probability=1, min_factor=0.8, max_factor=1.2)
    pipeline.random_contrast(probability=1, min_factor=0.8, max_factor=1.2)
    for _ in range(work.copies):
        pipeline.process()


def _shifted(image: Image.Image, across: float, down: float) -> Image.Image:
    matrix = (1, 0, across, 0, 1, down)
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
