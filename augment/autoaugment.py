"""AutoAugment and its kin: torchvision's operations and tables, the view's own draws.

torchvision draws from torch's global generator, whose seed has only 32 bits; here every draw
comes from the stream that all transforms of a view share. What is drawn (the operations and
their magnitudes) is recorded, then applied by torchvision to a PIL image.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from augcli.augment.decode import Pixels
from augcli.augment.histograms import autocontrast, equalize
from augcli.augment.pipeline import ImageOnlyTransform

Operation = tuple[str, float]
Space = dict[str, tuple[tuple[float, ...], bool]]
SubPolicy = tuple[tuple[str, float, int | None], ...]

BINS = 31
AUGMIX_BINS = 10
AUTOAUGMENT_BINS = 10
_OWN = {"AutoContrast": autocontrast, "Equalize": equalize}  # what torchvision does, faster
AUTOAUGMENT_POLICIES = ("imagenet", "cifar10", "svhn")


@lru_cache(maxsize=64)
def _space(method: str, bins: int, height: int, width: int) -> Space:
    """Operation -> (magnitudes by bin, whether a sign is drawn), from torchvision's table.

    Operations without a magnitude have an empty list of them.
    """
    from torchvision import transforms

    table: Any = getattr(transforms, method)()
    if method == "TrivialAugmentWide":
        space = table._augmentation_space(bins)
    else:
        space = table._augmentation_space(bins, (height, width))
    return {
        name: (tuple(magnitudes.tolist()) if magnitudes.ndim else (), signed)
        for name, (magnitudes, signed) in space.items()
    }


@lru_cache(maxsize=len(AUTOAUGMENT_POLICIES))
def _subpolicies(policy: str) -> tuple[SubPolicy, ...]:
    from torchvision.transforms import AutoAugment as Torchvision
    from torchvision.transforms import AutoAugmentPolicy

    return tuple(Torchvision(AutoAugmentPolicy(policy)).policies)


def _apply(image: Pixels, operations: Sequence[Operation], bilinear: bool = False) -> Pixels:
    """Apply operations in order to uint8 RGB (height, width, 3)."""
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.autoaugment import _apply_op

    mode = InterpolationMode.BILINEAR if bilinear else InterpolationMode.NEAREST
    for name, magnitude in operations:
        if name in _OWN:
            image = _OWN[name](image)
            continue
        picture = Image.fromarray(image)
        picture = _apply_op(picture, name, magnitude, interpolation=mode, fill=None)
        image = np.asarray(picture, np.uint8)
    return image


def _check_whole(name: str, value: object, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name} {value}: a whole number from {low} to {high}")


class _DrawnOperations(ImageOnlyTransform):  # type: ignore[misc]
    """Base: a method names torchvision's table and draws operations from it."""

    method: ClassVar[str]
    bins: ClassVar[int] = BINS

    def get_params_dependent_on_data(
        self, params: dict[str, Any], data: dict[str, Any]
    ) -> dict[str, Any]:
        """Draw the operations; `params` holds the image's shape."""
        height, width = params["shape"][:2]
        return {"operations": self.draw(_space(self.method, self.bins, height, width))}

    def draw(self, space: Space) -> list[Operation]:
        """The operations of one view."""
        raise NotImplementedError

    def apply(self, img: Pixels, operations: list[Operation], **params: Any) -> Pixels:
        """Apply what was drawn to uint8 RGB (height, width, 3)."""
        return _apply(img, operations)

    def _one_of(self, space: Space) -> str:
        return tuple(space)[int(self.random_generator.integers(len(space)))]

    def _signed(self, space: Space, name: str, bin_index: int) -> Operation:
        magnitudes, signed = space[name]
        magnitude = magnitudes[bin_index] if magnitudes else 0.0
        negative = signed and bool(self.random_generator.integers(2))
        return name, float(-magnitude if negative else magnitude)


class AutoAugment(_DrawnOperations):
    """Cubuk et al. 2019, "AutoAugment: Learning Augmentation Strategies from Data", CVPR."""

    method = "AutoAugment"
    bins = AUTOAUGMENT_BINS

    def __init__(self, policy: str = "imagenet", p: float = 1.0) -> None:
        super().__init__(p=p)
        if policy not in AUTOAUGMENT_POLICIES:
            raise ValueError(f"policy '{policy}': one of {', '.join(AUTOAUGMENT_POLICIES)}")
        self.policy = policy

    def draw(self, space: Space) -> list[Operation]:
        """One of 25 pairs of operations, each applied with its own probability."""
        pairs = _subpolicies(self.policy)
        operations = []
        for name, probability, bin_index in pairs[int(self.random_generator.integers(len(pairs)))]:
            if self.random_generator.random() < probability:
                operations.append(self._signed(space, name, bin_index or 0))
        return operations


class RandAugment(_DrawnOperations):
    """Cubuk et al. 2020, "RandAugment: Practical automated data augmentation", NeurIPS."""

    method = "RandAugment"

    def __init__(self, num_ops: int = 2, magnitude: int = 9, p: float = 1.0) -> None:
        super().__init__(p=p)
        _check_whole("num_ops", num_ops, 1, BINS)
        _check_whole("magnitude", magnitude, 0, BINS - 1)
        self.num_ops = num_ops
        self.magnitude = magnitude

    def draw(self, space: Space) -> list[Operation]:
        """`num_ops` operations, all at the same magnitude."""
        return [
            self._signed(space, self._one_of(space), self.magnitude) for _ in range(self.num_ops)
        ]


class TrivialAugment(_DrawnOperations):
    """Müller & Hutter 2021, "TrivialAugment: Tuning-free Yet State-of-the-Art", ICCV (wide)."""

    method = "TrivialAugmentWide"

    def draw(self, space: Space) -> list[Operation]:
        """One operation at one magnitude, both uniform."""
        name = self._one_of(space)
        return [self._signed(space, name, int(self.random_generator.integers(BINS)))]


class AugMix(_DrawnOperations):
    """Hendrycks et al. 2020, "AugMix: A Simple Data Processing Method", ICLR."""

    method = "AugMix"
    bins = AUGMIX_BINS

    def __init__(
        self, severity: int = 3, mixture_width: int = 3, alpha: float = 1.0, p: float = 1.0
    ) -> None:
        super().__init__(p=p)
        _check_whole("severity", severity, 1, AUGMIX_BINS)
        _check_whole("mixture_width", mixture_width, 1, BINS)
        if not isinstance(alpha, int | float) or not 0 < alpha < 1e6:
            raise ValueError(f"alpha {alpha}: a number above 0")
        self.severity = severity
        self.mixture_width = mixture_width
        self.alpha = alpha

    def get_params_dependent_on_data(
        self, params: dict[str, Any], data: dict[str, Any]
    ) -> dict[str, Any]:
        """Draw the chains, their weights (Dirichlet) and the share of the original (beta)."""
        height, width = params["shape"][:2]
        space = _space(self.method, self.bins, height, width)
        keep = self.random_generator.beta(self.alpha, self.alpha)
        weights = self.random_generator.dirichlet([self.alpha] * self.mixture_width)
        return {
            "keep": float(keep),
            "weights": [float(weight) for weight in weights],
            "chains": [self.draw(space) for _ in range(self.mixture_width)],
        }

    def draw(self, space: Space) -> list[Operation]:
        """One chain of one to three operations."""
        return [
            self._signed(
                space, self._one_of(space), int(self.random_generator.integers(self.severity))
            )
            for _ in range(int(self.random_generator.integers(1, 4)))
        ]

    def apply(  # type: ignore[override]
        self,
        img: Pixels,
        keep: float,
        weights: list[float],
        chains: list[list[Operation]],
        **params: Any,
    ) -> Pixels:
        """Mix the image with its chains: uint8 RGB (height, width, 3)."""
        mixed = np.float32(keep) * img.astype(np.float32)
        for weight, chain in zip(weights, chains, strict=True):
            share = np.float32((1.0 - keep) * weight)
            mixed += share * _apply(img, chain, bilinear=True).astype(np.float32)
        rounded: Pixels = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
        return rounded


TRANSFORMS = (AutoAugment, RandAugment, TrivialAugment, AugMix)
