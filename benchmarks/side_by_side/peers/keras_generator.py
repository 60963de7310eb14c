"""Keras' ImageDataGenerator with `save_to_dir`: one pass of its iterator per copy, one process."""

from __future__ import annotations

import os

from side_by_side.peers.pillow_quality import save_at_benchmark_quality
from side_by_side.stored import folder_views as views
from side_by_side.work import Work

__all__ = ["expand", "views"]

BATCH_IMAGES = 32


def expand(work: Work) -> None:
    """Each pass saves under a prefix of its own: the names it draws may meet otherwise."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import numpy as np
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    save_at_benchmark_quality()
    np.random.seed(work.seed)  # what it draws names from
    generator = ImageDataGenerator(
        rotation_range=30,
        zoom_range=(0.9, 1.1),
        width_shift_range=0.1,
        height_shift_range=0.1,
        brightness_range=(0.8, 1.2),
        horizontal_flip=True,
        fill_mode="constant",
    )
    iterator = generator.flow_from_directory(
        work.data,
        target_size=(work.size, work.size),
        batch_size=BATCH_IMAGES,
        seed=work.seed,
        save_to_dir=work.output,
        save_format="jpeg",
        interpolation="bilinear",
        keep_aspect_ratio=True,
    )
    for copy in range(work.copies):
        iterator.save_prefix = f"copy{copy}"
        for _ in range(len(iterator)):
            next(iterator)
