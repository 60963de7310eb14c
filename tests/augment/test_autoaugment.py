"""AutoAugment and its kin: torchvision's operations and tables, our draws."""

from __future__ import annotations

import inspect
from itertools import chain
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode
from torchvision.transforms.autoaugment import _apply_op

from augcli.augment.autoaugment import (
    AUTOAUGMENT_POLICIES,
    TRANSFORMS,
    AugMix,
    AutoAugment,
    Operation,
    RandAugment,
    TrivialAugment,
)
from augcli.augment.decode import Pixels
from augcli.augment.policy import Policy, resolve_policy
from augcli.augment.seeding import ViewStream
from augcli.manifests.errors import UsageError

SHAPE = (40, 56, 3)
DRAWS = 200
PHOTO: Pixels = (
    np.random.default_rng(4).integers(0, 256, (10, 14, 3), np.uint8).repeat(4, 0).repeat(4, 1)
)
SEQUENCES = [
    *(AutoAugment(policy) for policy in AUTOAUGMENT_POLICIES),
    RandAugment(),
    RandAugment(num_ops=5, magnitude=30),
    TrivialAugment(),
]


def draw(transform: Any, seed: int) -> dict[str, Any]:
    """The parameters of one view, before they are rounded for the record."""
    stream = ViewStream()
    stream.reseed(seed)
    transform.set_random_state(stream.numpy, stream.python)
    drawn: dict[str, Any] = transform.get_params_dependent_on_data({"shape": SHAPE}, {})
    return drawn


def by_torchvision(operations: list[Operation], mode: InterpolationMode) -> Pixels:
    picture = Image.fromarray(PHOTO)
    for name, magnitude in operations:
        picture = _apply_op(picture, name, magnitude, interpolation=mode, fill=None)
    return np.asarray(picture)


def described(transform: Any) -> str:
    arguments = inspect.signature(type(transform).__init__).parameters
    shown = [str(getattr(transform, name)) for name in arguments if name not in ("self", "p")]
    return "-".join([type(transform).__name__, *shown])


@pytest.mark.parametrize("transform", SEQUENCES, ids=described)
def test_pixels_are_torchvisions(transform: Any) -> None:
    changed = 0
    for seed in range(60):
        operations = draw(transform, seed)["operations"]
        ours = transform.apply(PHOTO, operations=operations)
        assert np.array_equal(ours, by_torchvision(operations, InterpolationMode.NEAREST))
        changed += not np.array_equal(ours, PHOTO)
    assert changed > 30


def test_augmix_mixes_torchvisions_chains() -> None:
    transform = AugMix()
    for seed in range(40):
        drawn = draw(transform, seed)
        mixed = drawn["keep"] * PHOTO.astype(np.float64)
        for weight, operations in zip(drawn["weights"], drawn["chains"], strict=True):
            image = by_torchvision(operations, InterpolationMode.BILINEAR).astype(np.float64)
            mixed += (1 - drawn["keep"]) * weight * image
        assert np.abs(transform.apply(PHOTO, **drawn) - mixed).max() <= 0.51


def table_of(name: str) -> dict[str, tuple[list[float], bool]]:
    """torchvision's operations with their magnitudes and whether they have a sign."""
    table: Any = getattr(transforms, name)()
    size = (SHAPE[0], SHAPE[1])
    bins = {"TrivialAugmentWide": (31,), "RandAugment": (31, size)}.get(name, (10, size))
    return {
        op: (m.reshape(-1).tolist(), s) for op, (m, s) in table._augmentation_space(*bins).items()
    }


@pytest.mark.parametrize(
    ("transform", "table"),
    [
        (AutoAugment("imagenet"), "AutoAugment"),
        (RandAugment(magnitude=11), "RandAugment"),
        (TrivialAugment(), "TrivialAugmentWide"),
        (AugMix(severity=10), "AugMix"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_draws_are_from_torchvisions_table(transform: Any, table: str) -> None:
    space, signs = table_of(table), set()
    seen: set[str] = set()
    for seed in range(DRAWS):
        drawn = draw(transform, seed)
        for name, magnitude in chain.from_iterable(drawn.get("chains", [drawn.get("operations")])):
            magnitudes, signed = space[name]
            assert any(abs(magnitude) == pytest.approx(m) for m in magnitudes)
            assert signed or magnitude >= 0
            signs |= {np.sign(magnitude)} if signed else set()
            seen.add(name)
    assert signs >= {-1.0, 1.0}
    if table != "AutoAugment":  # its 25 pairs leave some out
        assert seen == set(space)


@pytest.mark.parametrize("policy", AUTOAUGMENT_POLICIES)
def test_autoaugment_draws_its_pairs(policy: str) -> None:
    policies = transforms.AutoAugment(transforms.AutoAugmentPolicy(policy)).policies
    pairs = [tuple(name for name, _, _ in pair) for pair in policies]
    drawn = [
        tuple(name for name, _ in draw(AutoAugment(policy), seed)["operations"])
        for seed in range(DRAWS)
    ]
    assert {names for names in drawn if len(names) == 2} <= set(pairs)
    singles = {name for pair in pairs for name in pair}
    assert {name for names in drawn for name in names} <= singles
    assert {len(names) for names in drawn} == {0, 1, 2}


@pytest.mark.parametrize("num_ops", [1, 2, 4])
def test_randaugment_applies_num_ops(num_ops: int) -> None:
    transform = RandAugment(num_ops=num_ops)
    assert all(len(draw(transform, seed)["operations"]) == num_ops for seed in range(50))


def test_randaugment_magnitude_is_its_bin() -> None:
    space = table_of("RandAugment")
    for magnitude in (0, 9, 30):
        for seed in range(50):
            for name, value in draw(RandAugment(magnitude=magnitude), seed)["operations"]:
                magnitudes = space[name][0]
                expected = magnitudes[magnitude if len(magnitudes) > 1 else 0]
                assert abs(value) == pytest.approx(expected)


@pytest.mark.parametrize(("width", "alpha"), [(3, 1.0), (1, 1.0), (5, 0.3)])
def test_augmix_weights(width: int, alpha: float) -> None:
    transform = AugMix(mixture_width=width, alpha=alpha)
    keeps = []
    for seed in range(DRAWS):
        drawn = draw(transform, seed)
        assert len(drawn["weights"]) == len(drawn["chains"]) == width
        assert sum(drawn["weights"]) == pytest.approx(1)
        assert all(1 <= len(operations) <= 3 for operations in drawn["chains"])
        keeps.append(drawn["keep"])
    assert 0 <= min(keeps) < 0.1 and 0.9 < max(keeps) <= 1
    assert np.mean(keeps) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("cls", TRANSFORMS)
def test_operations_are_recorded(cls: Any) -> None:
    name = f"{cls.__module__}.{cls.__name__}"
    policy = Policy({"transform": {"__class_fullname__": name, "p": 1.0}})
    for seed in range(10):
        _, applied = policy(PHOTO, seed)
        drawn = draw(cls(), seed)
        assert applied[0][0] == cls.__name__
        recorded = applied[0][1].get("operations", applied[0][1].get("chains"))
        expected = drawn.get("operations", drawn.get("chains"))
        assert names_in(recorded) == names_in(expected)


def names_in(recorded: Any) -> list[str]:
    """All operations' names, in order, however nested."""
    if isinstance(recorded, str):
        return [recorded]
    if isinstance(recorded, list | tuple):
        return [name for item in recorded for name in names_in(item)]
    return []


@pytest.mark.parametrize("cls", TRANSFORMS)
def test_torchs_generator_is_left_alone(cls: Any) -> None:
    import torch

    before = torch.get_rng_state()
    transform = cls()
    transform.apply(PHOTO, **draw(transform, 3))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (AutoAugment, {"policy": "mnist"}),
        (RandAugment, {"num_ops": 0}),
        (RandAugment, {"magnitude": -1}),
        (RandAugment, {"magnitude": 31}),
        (AugMix, {"severity": 0}),
        (AugMix, {"severity": 11}),
        (AugMix, {"mixture_width": 0}),
        (AugMix, {"alpha": 0.0}),
    ],
)
def test_bad_arguments(cls: Any, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        cls(**arguments)


@pytest.mark.parametrize(
    "policy",
    ["randaugment:9.5", "randaugment:num_ops=true", "augmix:severity=2.5", "augmix:severity=0"],
)
def test_arguments_must_be_whole_numbers_in_range(policy: str) -> None:
    with pytest.raises(UsageError, match="a whole number from"):
        resolve_policy(policy, 32)
