"""Law 3: no two transforms, samples or rounds share draws."""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from augcli.augment.pipeline import A
from augcli.augment.policy import Policy, resolve_policy, spec_of
from augcli.augment.policy_serial import serialize
from augcli.manifests.hashing import view_seed

VIEWS = 3000
LIMIT = 4.5 / np.sqrt(VIEWS)  # a correlation this large has odds of 1 to 100,000 by chance
IMAGE = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)

Draws = dict[str, npt.NDArray[np.float64]]


def make_policy() -> Policy:
    """Transforms that show what they drew: three coins, an angle, a zoom, light, a gamma."""
    pipeline = A.Compose(
        [
            A.HorizontalFlip(p=0.5),
            A.VerticalFlip(p=0.5),
            A.Transpose(p=0.5),
            A.Affine(rotate=(-30, 30), scale=(0.8, 1.2), keep_ratio=True, p=1.0),
            A.Rotate(limit=30, p=1.0),
            A.RandomBrightnessContrast(brightness_limit=0.2, contrast_limit=0.2, p=1.0),
            A.RandomGamma(gamma_limit=(80, 120), p=1.0),
        ]
    )
    return Policy(serialize(pipeline))


def numbers(applied: list[Any]) -> dict[str, float]:
    found = {name: dict(parameters) for name, parameters in applied}
    affine, light = found["Affine"], found["RandomBrightnessContrast"]
    return {
        "horizontal": float("HorizontalFlip" in found),
        "vertical": float("VerticalFlip" in found),
        "transpose": float("Transpose" in found),
        "affine angle": affine["rotate"],
        "affine scale": affine["scale"][0],
        "rotation": found["Rotate"]["rotate"],
        "contrast": light["alpha"],
        "brightness": light["beta"],
        "gamma": found["RandomGamma"]["gamma"],
    }


def draws(seeds: list[int], policy: Policy | None = None) -> Draws:
    policy = policy or make_policy()
    rows = [numbers(policy(IMAGE, seed)[1]) for seed in seeds]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def correlation(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float:
    return float(np.corrcoef(first, second)[0, 1])


def correlated_pairs(found: Draws) -> list[tuple[str, str]]:
    return [
        (one, other)
        for one, other in itertools.combinations(found, 2)
        if abs(correlation(found[one], found[other])) > LIMIT
    ]


@pytest.fixture(scope="module")
def first_round() -> Draws:
    return draws([view_seed(0, f"sample-{n}", 1) for n in range(VIEWS)])


def test_transforms_of_a_view(first_round: Draws) -> None:
    assert correlated_pairs(first_round) == []


def test_rounds_of_a_sample(first_round: Draws) -> None:
    second_round = draws([view_seed(0, f"sample-{n}", 2) for n in range(VIEWS)])
    for one, other in itertools.product(first_round, second_round):
        assert abs(correlation(first_round[one], second_round[other])) < LIMIT, (one, other)


def test_samples_of_a_round(first_round: Draws) -> None:
    for one, other in itertools.product(first_round, first_round):
        neighbours = correlation(first_round[one][:-1], first_round[other][1:])
        assert abs(neighbours) < LIMIT, (one, other)


def test_run_seeds(first_round: Draws) -> None:
    other_run = draws([view_seed(1, f"sample-{n}", 1) for n in range(VIEWS)])
    for name in first_round:
        assert abs(correlation(first_round[name], other_run[name])) < LIMIT, name


def test_coins_are_fair(first_round: Draws) -> None:
    for name in ("horizontal", "vertical", "transpose"):
        assert abs(first_round[name].mean() - 0.5) < 4.5 * 0.5 / np.sqrt(VIEWS)


def test_the_test_sees_transforms_that_are_handed_the_same_stream() -> None:
    """As albumentations' own reseeding does, each from its beginning: it must be caught."""
    policy = make_policy()

    class SharedSeed:
        def reseed(self, seed: int) -> None:
            self._seed = seed

        @property
        def python(self) -> random.Random:
            return random.Random(self._seed)

        @property
        def numpy(self) -> np.random.Generator:
            return np.random.default_rng(self._seed)

    policy._stream = SharedSeed()  # type: ignore[assignment]
    seeds = [view_seed(0, f"sample-{n}", 1) for n in range(500)]
    pairs = correlated_pairs(draws(seeds, policy))
    assert ("horizontal", "vertical") in pairs


def test_global_random_state_changes_nothing() -> None:
    import torch

    policy = resolve_policy("augmentor+autoaugment+augmix", 16).build()
    seed = view_seed(3, "sample", 1)
    view, applied = policy(IMAGE, seed)
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    again, applied_again = policy(IMAGE, seed)
    assert np.array_equal(view, again)
    assert applied == applied_again


@pytest.mark.parametrize(
    "name", ["augmentor", "randaugment", "augmix", "trivialaugment", "autoaugment"]
)
def test_drawing_leaves_global_random_state_alone(name: str) -> None:
    import torch

    policy = resolve_policy(name, 16).build()
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    for copy in range(1, 20):
        policy(IMAGE, view_seed(0, "sample", copy))
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert before == after


def test_history_of_a_policy_changes_nothing() -> None:
    """A policy that has made a thousand views makes the next as a new one would."""
    used = resolve_policy("augmentor+top-down", 16).build()
    for copy in range(1, 200):
        used(IMAGE, view_seed(0, "other", copy))
    new = spec_of("again", used.serialized).build()
    for copy in range(1, 30):
        seed = view_seed(0, "sample", copy)
        assert np.array_equal(used(IMAGE, seed)[0], new(IMAGE, seed)[0])
