"""What a compiled policy is held against: albumentations itself, drawing from the view's stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from augcli.augment.decode import Pixels
from augcli.augment.pipeline import A
from augcli.augment.policy_file import build_pipeline
from augcli.augment.policy_serial import serialize
from augcli.augment.seeding import ViewStream

Applied = list[tuple[str, dict[str, Any]]]
Draw = Callable[[Pixels, int], tuple[Pixels, Applied]]


def albumentations_draws(serialized: dict[str, Any]) -> Draw:
    stream = ViewStream()
    pipeline = build_pipeline(serialized["transform"])
    pipeline.set_random_state(stream.numpy, stream.python)

    def draw(image: Pixels, seed: int) -> tuple[Pixels, Applied]:
        stream.reseed(seed)
        stream.seed_all()
        result = pipeline(image=image.copy())
        return result["image"], result["applied_transforms"]

    return draw


@pytest.fixture(scope="session")
def reference() -> Callable[[dict[str, Any]], Draw]:
    """From a policy's serialised form to (image, seed) -> (picture, applied), by albumentations."""
    return albumentations_draws


@pytest.fixture(scope="session")
def serialized() -> Callable[..., dict[str, Any]]:
    """The serialised form of a list of transforms."""
    return lambda transforms: serialize(A.Compose(list(transforms), save_applied_params=True))
