"""Test-time augmentation: the mean of what a model says of several views of one image."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from augcli.augment.config import DEFAULT_FIT
from augcli.augment.crops import TEN_CROPS, mirrored, ten_crop
from augcli.augment.decode import Pixels
from augcli.augment.fit import Fit
from augcli.augment.frame import Frame, rgbx_of
from augcli.augment.policy import checked_spec
from augcli.augment.views import Recipe, ViewMakers
from augcli.manifests.errors import UsageError
from augcli.manifests.sample_list import Sample
from augcli.train.evaluation.predictions import Predictions
from augcli.train.evaluation.run_options import drawn_size
from augcli.train.evaluation.variants import Alter
from augcli.train.trained import Trained

MOST_VIEWS = 1000
TEN_CROP, FLIP = "ten-crop", "flip"


@dataclass(frozen=True)
class Tta:
    """`alter` makes views 0 to `count` - 1; `with_plain`: the plain view counts as another one.

    It takes and makes views of `size` pixels.
    """

    about: str
    alter: Alter
    count: int
    with_plain: bool
    size: int


def parse_tta(text: str, trained: Trained) -> Tta:
    """What `--tta` asks for.

    Raises:
        UsageError: it is none of the choices, or the run has no policy to draw views by.
    """
    size = trained.size[0]
    if text == TEN_CROP:
        about = "ten crops, enlarged by 8/7"
        return Tta(about, _crop, TEN_CROPS, False, size)
    if text == FLIP:
        about = "plain view and mirror image"
        return Tta(about, _mirror, 1, True, size)
    if not text.isdecimal() or not 1 <= int(text) <= MOST_VIEWS:
        raise UsageError(
            f"--tta: {text} is none: choose from 1 to {MOST_VIEWS} views, {TEN_CROP}, {FLIP}"
        )
    policy = trained.source.get("policy")
    if not isinstance(policy, dict):
        raise UsageError(
            f"--tta {text}: the run was trained without augmentation, so it has no policy to draw "
            f"views by: choose from {TEN_CROP}, {FLIP}"
        )
    seed = trained.source.get("options", {}).get("seed", 0)
    size = drawn_size(trained)
    recipe = Recipe(Fit(size, DEFAULT_FIT), checked_spec("of the run", policy), seed)
    about = f"plain view and {text} by policy"
    return Tta(about, PolicyViews(recipe), int(text), True, size)


def _crop(pixels: Pixels, key: str, number: int) -> Pixels:
    return ten_crop(pixels, number)


def _mirror(pixels: Pixels, key: str, number: int) -> Pixels:
    return mirrored(pixels)


class PolicyViews:
    """Variant v is copy v + 1 of the sample, as the run would have drawn it. Safe for threads.

    A class's own policy is not used: the class is what is asked.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._makers = ViewMakers(recipe)

    def __call__(self, pixels: Pixels, key: str, variant: int) -> Pixels:
        """The view, uint8 RGB (side, side, 3).

        Raises:
            AugcliError: the policy can't take this image.
        """
        sample = Sample(key, source=key, split="test", label=0)
        view = self._makers.own().named_view(Frame(rgbx_of(pixels)), sample, variant + 1)
        return view.pixels


def averaged(plain: Predictions, views: Iterable[Predictions], *, with_plain: bool) -> Predictions:
    """The mean of the views' probabilities, taken one after another: memory is bounded."""
    total = plain.probabilities.copy() if with_plain else np.zeros_like(plain.probabilities)
    count = int(with_plain)
    for found in views:
        total += found.probabilities
        count += 1
    return dataclasses.replace(plain, probabilities=total / count)
