"""Named policies: a registry of what each does, where it is from, and its transforms.

All transforms keep uint8 RGB images at their size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2

from augcli.augment.autoaugment import AugMix, AutoAugment, RandAugment, TrivialAugment
from augcli.augment.keras import keras_transforms
from augcli.augment.pipeline import A, BasicTransform


@dataclass(frozen=True)
class Preset:
    """`build` makes the transforms; its keyword arguments are the preset's, `main` the first."""

    about: str
    build: Callable[..., list[BasicTransform]]
    main: str = ""


def _none() -> list[BasicTransform]:
    return []


def _basic() -> list[BasicTransform]:
    return [
        A.Affine(
            scale=(0.9, 1.1),
            translate_percent=(-0.06, 0.06),
            keep_ratio=True,
            border_mode=cv2.BORDER_REPLICATE,
            p=0.9,
        ),
        A.RandomBrightnessContrast(brightness_limit=0.1, contrast_limit=0.1, p=0.75),
    ]


def _side_on() -> list[BasicTransform]:
    return [
        A.HorizontalFlip(p=0.5),
        A.Affine(
            rotate=(-10, 10),
            scale=(1.0, 1.1),
            translate_percent=(-0.05, 0.05),
            keep_ratio=True,
            border_mode=cv2.BORDER_REFLECT_101,
            p=0.75,
        ),
        A.RandomBrightnessContrast(brightness_limit=0.1, contrast_limit=0.1, p=0.75),
    ]


def _top_down() -> list[BasicTransform]:
    return [
        A.D4(p=1.0),
        A.Affine(
            rotate=(-180, 180),
            scale=(1.0, 1.1),
            keep_ratio=True,
            border_mode=cv2.BORDER_REFLECT_101,
            p=0.75,
        ),
        A.RandomBrightnessContrast(brightness_limit=0.1, contrast_limit=0.1, p=0.75),
    ]


def _rotate_flip() -> list[BasicTransform]:
    return [
        A.Rotate(limit=30, border_mode=cv2.BORDER_CONSTANT, p=1.0),
        A.HorizontalFlip(p=0.5),
    ]


def _autoaugment(policy: str = "imagenet") -> list[BasicTransform]:
    return [AutoAugment(policy)]


def _randaugment(num_ops: int = 2, magnitude: int = 9) -> list[BasicTransform]:
    return [RandAugment(num_ops, magnitude)]


def _trivialaugment() -> list[BasicTransform]:
    return [TrivialAugment(p=1.0)]


def _augmix(severity: int = 3) -> list[BasicTransform]:
    return [AugMix(severity)]


def _augmentor() -> list[BasicTransform]:
    return [
        A.HorizontalFlip(p=0.5),
        A.VerticalFlip(p=0.25),
        A.Affine(
            rotate=(-20, 20),
            scale=(1.0, 1.25),
            shear=(-8, 8),
            keep_ratio=True,
            border_mode=cv2.BORDER_REFLECT_101,
            p=0.8,
        ),
        A.ElasticTransform(alpha=40, sigma=6, border_mode=cv2.BORDER_REFLECT_101, p=0.4),
        A.RandomGamma(gamma_limit=(70, 140), p=0.4),
        A.ColorJitter(brightness=0.2, contrast=0.2, saturation=0.3, hue=0.03, p=0.6),
        A.Erasing(scale=(0.02, 0.15), p=0.3),
    ]


PRESETS = {
    "none": Preset("fit only", _none),
    "basic": Preset(
        "small shift, zoom and light changes, no flips: letters, digits, signs", _basic
    ),
    "side-on": Preset(
        "photographs from the side: flip, slight rotation, zoom, shift, light "
        "(fast.ai transforms_side_on)",
        _side_on,
    ),
    "top-down": Preset(
        "satellite, microscope, galaxies: all 8 symmetries, any rotation, light "
        "(fast.ai transforms_top_down)",
        _top_down,
    ),
    "rotate-flip": Preset(
        "rotation to 30 degrees, horizontal flip (the PyTorch tutorial's baseline)", _rotate_flip
    ),
    "autoaugment": Preset(
        "AutoAugment; autoaugment:cifar10 and autoaugment:svhn for its other policies "
        "(Cubuk et al. 2019)",
        _autoaugment,
        "policy",
    ),
    "randaugment": Preset(
        "RandAugment; randaugment:num_ops=2,magnitude=9 (Cubuk et al. 2020)",
        _randaugment,
        "magnitude",
    ),
    "trivialaugment": Preset("TrivialAugment, wide (Müller & Hutter 2021)", _trivialaugment),
    "augmix": Preset("AugMix; augmix:severity=3 (Hendrycks et al. 2020)", _augmix, "severity"),
    "keras": Preset(
        "ImageDataGenerator's arguments; keras:rotation_range=20,horizontal_flip=true "
        "(alone: its tutorial's cats and dogs)",
        keras_transforms,
    ),
    "augmentor": Preset(
        "rotation, zoom, flips, shear, elastic distortion, gamma, colour, erasing: "
        "the classic offline recipe",
        _augmentor,
    ),
}

KERAS_TUTORIAL = {
    "rotation_range": 40,
    "width_shift_range": 0.2,
    "height_shift_range": 0.2,
    "shear_range": 0.2,
    "zoom_range": 0.2,
    "horizontal_flip": True,
    "fill_mode": "nearest",
}
