"""`view(frame, policy, seed)`: the one function that makes views, for both sources."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from augcli.augment.config import DEFAULT_MAX_MEGAPIXELS
from augcli.augment.decode import Pixels, Workspace, decode_rgbx
from augcli.augment.fit import Fit
from augcli.augment.frame import Frame, rgb_of
from augcli.augment.policy import Policy, PolicySpec
from augcli.manifests.errors import AugcliError
from augcli.manifests.hashing import view_seed
from augcli.manifests.sample_list import Sample

NOTHING_APPLIED = "[]"


@dataclass(frozen=True, slots=True)
class View:
    """A view and what made it.

    `rgbx` is uint8 RGBX (size, size, 4), not to be changed, and valid until its maker makes the
    next one. `seed` is the 128-bit seed (0 for the unaugmented copy), `applied` the JSON text of
    the transforms that were drawn with their parameters.
    """

    rgbx: Pixels
    seed: int
    applied: str

    @property
    def pixels(self) -> Pixels:
        """uint8 RGB (size, size, 3), a new array."""
        return rgb_of(self.rgbx)


def view(frame: Frame, policy: Policy, seed: int) -> View:
    """One view of a fitted image: augmented by what `policy` draws with the 128-bit `seed`."""
    pixels, applied = policy.draw(frame, seed)
    return View(pixels, seed, applied)


@dataclass(frozen=True)
class Recipe:
    """What decides a view besides image, key, copy and label. Hashable, cheap to send to workers.

    `class_policies` are (label, policy) of the classes that have one of their own.
    """

    fit: Fit
    policy: PolicySpec
    seed: int
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS
    class_policies: tuple[tuple[int, PolicySpec], ...] = ()

    @property
    def is_compiled(self) -> bool:
        """Whether all its policies are; threads can then make views side by side."""
        specs = [self.policy, *(spec for _, spec in self.class_policies)]
        return all(spec.build().is_compiled for spec in specs)


class ViewMakers:
    """A maker for each thread: its generators and its memory can't be shared. Picklable."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._of_thread = threading.local()

    def own(self) -> ViewMaker:
        """The calling thread's."""
        maker: ViewMaker | None = getattr(self._of_thread, "maker", None)
        if maker is None:
            maker = self._of_thread.maker = ViewMaker(self._recipe)
        return maker

    def __reduce__(self) -> tuple[object, ...]:
        return ViewMakers, (self._recipe,)


class ViewMaker:
    """Makes views by a recipe. Not safe for threads: each needs its own."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._workspace = Workspace()
        self._policy = recipe.policy.build()
        self._class_policies = {label: spec.build() for label, spec in recipe.class_policies}

    def fitted(self, data: bytes) -> Frame:
        """The fitted image of a file's bytes, of shape (size, size).

        Raises:
            DecodeError: the image can't be used.
        """
        fit, workspace = self.recipe.fit, self._workspace
        image = decode_rgbx(
            data,
            min_side=fit.min_side,
            max_megapixels=self.recipe.max_megapixels,
            workspace=workspace,
        )
        pixels = fit(image)
        return Frame(pixels.copy() if workspace.holds(pixels) else pixels)

    def view(self, fitted: Frame, key: str, copy: int, label: int) -> View:
        """Copy `copy` of the sample `key` of class `label`. Copy 0 is the fitted image itself."""
        if copy == 0:
            return View(fitted.pixels, 0, NOTHING_APPLIED)
        seed = view_seed(self.recipe.seed, key, copy)
        return view(fitted, self._class_policies.get(label, self._policy), seed)

    def named_view(self, fitted: Frame, sample: Sample, copy: int) -> View:
        """Copy `copy` of `sample`.

        Raises:
            AugcliError: the policy can't take this image; the message names it.
        """
        try:
            return self.view(fitted, sample.key, copy, sample.label)
        except (AugcliError, MemoryError):
            raise
        except Exception as error:  # a third party's transform that can't take this image
            raise AugcliError(
                f"{sample.source}: the policy fails on copy {copy}: {error!r}; "
                "take the transform out that does, or this image"
            ) from error
