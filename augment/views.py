"""`view(image, fit, policy, seed)`: the one function that makes views, for both sources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from augcli.augment.config import DEFAULT_MAX_MEGAPIXELS
from augcli.augment.decode import Pixels, decode
from augcli.augment.fit import Fit
from augcli.augment.policy import Policy, PolicySpec
from augcli.manifests.hashing import view_seed


@dataclass(frozen=True)
class View:
    """A view's `pixels`, uint8 RGB (size, size, 3), and what made it.

    `seed` is the 128-bit seed (0 for the unaugmented copy), `applied` the transforms that were
    drawn with their parameters.
    """

    pixels: Pixels
    seed: int
    applied: list[Any]


def view(image: Pixels, fit: Callable[[Pixels], Pixels], policy: Policy, seed: int) -> View:
    """One view of `image` (uint8 RGB, any height and width): fitted, then augmented by `seed`."""
    pixels, applied = policy(fit(image), seed)
    return View(pixels, seed, applied)


@dataclass(frozen=True)
class Recipe:
    """What decides a view besides image, key and copy. Hashable, and cheap to send to workers."""

    fit: Fit
    policy: PolicySpec
    seed: int
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS


class ViewMaker:
    """Makes views by a recipe. Not safe for threads: each needs its own."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._policy = recipe.policy.build()

    def fitted(self, data: bytes) -> Pixels:
        """The fitted image of a file's bytes: uint8 RGB (size, size, 3).

        Raises:
            DecodeError: the image can't be used.
        """
        fit = self.recipe.fit
        return fit(decode(data, min_side=fit.min_side, max_megapixels=self.recipe.max_megapixels))

    def view(self, fitted: Pixels, key: str, copy: int) -> View:
        """Copy `copy` of the sample `key`, from its fitted image. Copy 0 is that image itself."""
        if copy == 0:
            return View(fitted, 0, [])
        seed = view_seed(self.recipe.seed, key, copy)
        return view(fitted, _as_it_is, self._policy, seed)


def _as_it_is(fitted: Pixels) -> Pixels:
    """The fit of an image that is fitted: done once, for all copies of a sample."""
    return fitted
