"""The policies of the comparison, in albumentations' serialised form or as a preset's name.

`flat` is the one of the table in the README: flip, rotation to 30 degrees, scale 0.9 to 1.1,
shift to 0.1, brightness and contrast to 0.2, each drawn anew for every view.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

FLIP: dict[str, Any] = {"__class_fullname__": "HorizontalFlip", "p": 0.5}
AFFINE: dict[str, Any] = {
    "__class_fullname__": "Affine",
    "rotate": [-30.0, 30.0],
    "scale": [0.9, 1.1],
    "translate_percent": [-0.1, 0.1],
    "keep_ratio": True,
    "p": 1.0,
}
LIGHT: dict[str, Any] = {
    "__class_fullname__": "RandomBrightnessContrast",
    "brightness_limit": [-0.2, 0.2],
    "contrast_limit": [-0.2, 0.2],
    "p": 1.0,
}
ELASTIC: dict[str, Any] = {
    "__class_fullname__": "ElasticTransform",
    "alpha": 40.0,
    "sigma": 6.0,
    "p": 1.0,
}
NOISE: dict[str, Any] = {"__class_fullname__": "GaussNoise", "std_range": [0.02, 0.1], "p": 1.0}

# A list of transforms, or the name of a preset of augcli that albumentations has nothing for.
POLICIES: dict[str, list[dict[str, Any]] | str] = {
    "flat": [FLIP, AFFINE, LIGHT],
    "elastic": [FLIP, AFFINE, ELASTIC, LIGHT],
    "noise": [FLIP, AFFINE, LIGHT, NOISE],
    "autoaugment": "autoaugment",
}

# The part of all views that must be unlike every other. Flat draws are never alike, but images of
# one colour may be; AutoAugment leaves many a view as it was.
MIN_DISTINCT = {"flat": 0.99, "elastic": 0.99, "noise": 0.99, "autoaugment": 0.6}


def serialized(transforms: list[dict[str, Any]]) -> dict[str, Any]:
    """What `albumentations.from_dict` and augcli's policy files read."""
    return {"transform": {"__class_fullname__": "Compose", "p": 1.0, "transforms": transforms}}


def policy_argument(name: str, folder: Path) -> str:
    """What augcli's `--policy` gets: a preset's name, or a YAML file written into `folder`."""
    policy = POLICIES[name]
    if isinstance(policy, str):
        return policy
    path = folder / f"{name}.yaml"
    content = serialized([dict(transform) for transform in policy])
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return str(path)
