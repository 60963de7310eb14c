"""`--residual auto`: what the augmentation policy does anyway, done afresh in each epoch as well.

What a policy leaves out it leaves out for a reason, as flips of letters, so nothing else is added;
but for erasing, which hides and invents nothing (Zhong et al. 2020, random erasing,
https://arxiv.org/abs/1708.04896; DeVries and Taylor 2017, cutout,
https://arxiv.org/abs/1708.04552).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

ERASE = "erase=0.5"

_OF_MANY_KINDS = {"AugMix", "AutoAugment", "RandAugment", "TrivialAugment"}
_DONE_BY = {
    "flip": {"D4", "HorizontalFlip", "SquareSymmetry"},
    "affine": _OF_MANY_KINDS
    | {"Affine", "CropAndPad", "D4", "Perspective", "RandomCropFromBorders", "RandomResizedCrop"}
    | {"RandomScale", "RandomSizedCrop", "Rotate", "SafeRotate", "ShiftScaleRotate"}
    | {"SquareSymmetry"},
    "colour": _OF_MANY_KINDS
    | {"ColorJitter", "HueSaturationValue", "PlanckianJitter", "RGBShift"}
    | {"RandomBrightnessContrast", "RandomGamma", "RandomToneCurve"},
}
"""Transforms of albumentations, and our own, after which the residual one is nothing new."""


def residual_for(policies: Iterable[Mapping[str, Any]]) -> str | None:
    """The residual policy that suits images which are augmented by these, each in serialised form:
    that of a dataset, and those of single classes. None where one of them changes nothing."""
    done = [set(_names(policy)) for policy in policies]
    if not done or not all(done):
        return None
    kinds = [kind for kind, names in _DONE_BY.items() if all(each & names for each in done)]
    return ",".join([*kinds, ERASE])


def _names(policy: Mapping[str, Any]) -> Iterator[str]:
    """The classes of all transforms that can come to act, wherever they are nested."""
    inner = policy.get("transforms") or policy.get("transform")
    if isinstance(inner, Mapping):
        yield from _names(inner)
    elif isinstance(inner, list):
        for each in inner:
            yield from _names(each)
    elif (name := policy.get("__class_fullname__")) not in (None, "Compose", "NoOp"):
        yield str(name).rsplit(".", 1)[-1]
