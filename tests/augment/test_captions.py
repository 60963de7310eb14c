"""Captions tell the main parameters of every transform, in few words and plain ASCII."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from augcli.augment.captions import caption, captions
from augcli.augment.policy import Policy
from augcli.augment.policy_file import OWN_TRANSFORMS, TRANSFORMS
from augcli.augment.policy_serial import normalized

SIZE = 64
ARGUMENTS: dict[str, dict[str, Any]] = {
    "CropAndPad": {"percent": 0.1},
    "GridElasticDeform": {"num_grid_xy": [3, 3], "magnitude": 4},
    "RandomResizedCrop": {"size": [SIZE, SIZE]},
    "RandomSizedCrop": {"min_max_height": [30, SIZE], "size": [SIZE, SIZE]},
}


def applied(name: str, seed: int = 5, **arguments: Any) -> list[Any]:
    node = {"__class_fullname__": name, "p": 1.0, **ARGUMENTS.get(name, {}), **arguments}
    whole = {"transform": {"__class_fullname__": "Compose", "transforms": [node]}}
    policy = Policy(normalized(whole))
    image = np.random.default_rng(3).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    return policy(image, seed)[1]


@pytest.mark.parametrize("name", [*TRANSFORMS, *OWN_TRANSFORMS])
def test_every_transform_has_a_short_caption(name: str) -> None:
    for seed in range(3):
        told = captions(applied(name, seed), SIZE)
        assert told.startswith(name.rpartition(".")[2])
        assert told.isascii() and told.isprintable()
        assert len(told) < 400
        assert not set("[]{}") & set(told)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"rotate": (12.3, 12.3)}, "rotate 12.3"),
        ({"scale": (1.1, 1.1), "keep_ratio": True}, "scale 1.1"),
        ({"scale": {"x": (1.1, 1.1), "y": (0.9, 0.9)}}, "scale 1.1 x 0.9"),
        ({"translate_px": {"x": (3, 3), "y": (-2, -2)}}, "shift (3,-2)"),
        ({"shear": {"x": (5, 5), "y": (0, 0)}}, "shear (5,0)"),
        (
            {
                "rotate": (-20, -20),
                "scale": {"x": (1.2, 1.2), "y": (0.8, 0.8)},
                "shear": {"x": (4, 4), "y": (-3, -3)},
                "translate_px": {"x": (6, 6), "y": (1, 1)},
            },
            "rotate -20, scale 1.2 x 0.8, shear (4,-3), shift (6,1)",
        ),
        ({}, ""),
    ],
)
def test_an_affine_says_what_it_was_told(arguments: dict[str, Any], told: str) -> None:
    (step,) = applied("Affine", **arguments)
    assert caption(*step, SIZE) == told


def test_a_rotation_is_read_from_its_matrix() -> None:
    ((name, drawn),) = applied("Rotate", limit=(30, 30))
    assert caption(name, drawn, SIZE) == "rotate 30"
    matrix = [[math.cos(math.pi / 6), 0.5, 0], [-0.5, math.cos(math.pi / 6), 0], [0, 0, 1]]
    assert caption(name, {"matrix": matrix}, SIZE).startswith("rotate 30")


@pytest.mark.parametrize("side", [5, 15])
def test_a_kernel_is_told_by_its_side(side: int) -> None:
    """Was: of one too large to be recorded, the length of the words for it."""
    told = captions(applied("MotionBlur", blur_limit=[side, side]), SIZE)
    assert told == f"MotionBlur kernel {side}"


@pytest.mark.parametrize(
    ("name", "drawn", "told"),
    [
        ("RandomBrightnessContrast", {"alpha": 1.0812, "beta": -3.42},
         "contrast 1.08, brightness -3.42"),
        ("D4", {"group_element": "r90"}, "rotate 90"),
        ("AutoAugment", {"operations": []}, "nothing drawn"),
        ("AutoAugment", {"operations": [["Posterize", 4.0], ["Equalize", 0.0]]},
         "Posterize 4, Equalize"),
        ("AugMix", {"keep": 0.4, "weights": [1.0], "chains": [[["Rotate", 3.0], ["Invert", 0.0]]]},
         "40% original, 60% Rotate 3 > Invert"),
        ("Erasing", {"holes": [[14, 41, 64, 60]], "seed": 8}, "50 x 19 pixels at 14, 41"),
        ("GridDropout", {"holes": "array(100, 4)", "seed": 8}, "100 holes"),
        ("MotionBlur", {"kernel": "array(15, 15)"}, "kernel 15"),
        ("AdvancedBlur", {"kernel": [[1.0]] * 7}, "kernel 7"),
        ("MedianBlur", {"kernel": 5}, "kernel 5"),
        ("Unheard", {"some_value": 0.123456, "mask": [[1]], "seed": 3}, "some value 0.123"),
        ("Unheard", {}, ""),
    ],
)  # fmt: skip
def test_captions_of(name: str, drawn: dict[str, Any], told: str) -> None:
    assert caption(name, drawn, SIZE) == told
