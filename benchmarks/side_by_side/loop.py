"""What people write: cv2.imread, a fit, an albumentations pipeline, cv2.imencode.

Shared by the peers that bring their own writer but no transforms. Arrays are uint8 (height,
width, 3), BGR from and to OpenCV and RGB in between. An image is read and fitted once for all its
copies, and has one seed. AutoAugment, which albumentations does not have, is torchvision's, on
PIL images: three times as fast there as on tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import albumentations as A  # noqa: N812, its usual name
import cv2

from side_by_side.policies import POLICIES, serialized
from side_by_side.work import QUALITY, Work, image_seed

Transform = Callable[[Any], Any]
JPEG = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]


def encoded_views(path: str, work: Work) -> Iterator[bytes]:
    """The views of one image, encoded."""
    fit, augment, reseed = _pipelines(work.size, work.policy)
    read = cv2.imread(path, cv2.IMREAD_COLOR)
    if read is None:
        raise ValueError(f"{path}: OpenCV can't read it")
    image = fit(image=cv2.cvtColor(read, cv2.COLOR_BGR2RGB))["image"]
    reseed(image_seed(path, work.seed))
    for _ in range(work.copies):
        view = cv2.cvtColor(augment(image), cv2.COLOR_RGB2BGR)
        yield cv2.imencode(".jpg", view, JPEG)[1].tobytes()


@lru_cache(maxsize=1)
def _pipelines(size: int, policy: str) -> tuple[Any, Transform, Callable[[int], Any]]:
    """Fit, augmentation and its seeding, once per worker."""
    cv2.setNumThreads(0)
    fit = A.Compose([A.SmallestMaxSize(max_size=size), A.CenterCrop(size, size)])
    transforms = POLICIES[policy]
    if isinstance(transforms, str):
        return fit, *_autoaugment()
    pipeline = A.from_dict(serialized(transforms))
    return fit, lambda image: pipeline(image=image)["image"], pipeline.set_random_seed


def _autoaugment() -> tuple[Transform, Callable[[int], Any]]:
    import numpy as np
    import torch
    from PIL import Image
    from torchvision.transforms import v2

    torch.set_num_threads(1)
    augment = v2.AutoAugment()
    return lambda image: np.asarray(augment(Image.fromarray(image))), torch.manual_seed
