"""ImageFolder with cv2 and albumentations, on arrays (height, width, 3)."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import albumentations as A  # noqa: N812, its usual name
import cv2
import torch

from side_by_side.policies import POLICIES, serialized
from side_by_side.readers.image_folder import open_folder
from side_by_side.readers.torch_loading import one_thread
from side_by_side.reading.batch import Epochs
from side_by_side.reading.work import POLICY, ReadWork


def open_reader(work: ReadWork, variant: str) -> AbstractContextManager[Epochs]:
    """The fit, then the policy as it stands in `policies`."""
    transforms = POLICIES[POLICY]
    assert not isinstance(transforms, str)
    fit = [A.SmallestMaxSize(max_size=work.size), A.CenterCrop(work.size, work.size)]
    pipeline = A.Compose([*fit, A.from_dict(serialized(transforms))])
    return open_folder(work, _load, partial(_augment, pipeline), worker_init_fn=one_thread)


def _load(path: str) -> Any:
    return cv2.cvtColor(cv2.imread(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def _augment(pipeline: A.Compose, image: Any) -> torch.Tensor:
    return torch.from_numpy(pipeline(image=image)["image"])
