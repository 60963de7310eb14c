"""A policy as albumentations itself carries it out, fit and all: for comparison with augcli's own.

Its views are other draws of the same policy.
"""

from __future__ import annotations

from collections.abc import Callable

from augcli.augment.decode import Pixels
from augcli.augment.pipeline import A
from augcli.augment.policy import PolicySpec
from augcli.augment.policy_file import build_pipeline


def plain_pipeline(policy: PolicySpec, size: int) -> Callable[[Pixels], Pixels]:
    """uint8 RGB (height, width, 3) -> (size, size, 3): the middle square, then the policy."""
    pipeline = A.Compose(
        [
            A.SmallestMaxSize(max_size=size),
            A.CenterCrop(size, size),
            *build_pipeline(policy.serialized["transform"]).transforms,
        ]
    )

    def view(image: Pixels) -> Pixels:
        drawn: Pixels = pipeline(image=image)["image"]
        return drawn

    return view
